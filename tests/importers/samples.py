"""Small inputs in every format, made up for these tests in the shape the kernel and nvme-cli print."""

from __future__ import annotations

IOMEM = """\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
000a0000-000bffff : PCI Bus 0000:00
000f0000-000fffff : Reserved
  000f0000-000fffff : System ROM
00100000-3fffffff : System RAM
  01000000-01ffffff : Kernel code
40000000-4fffffff : PCI Bus 0000:00
  40000000-401fffff : 0000:00:02.0
    40000000-401fffff : nvme
100000000-1bfffffff : System RAM
"""

E820 = """\
[    0.000000] Linux version 6.1.0
[    0.000000] BIOS-provided physical RAM map:
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
[    0.000000] BIOS-e820: [mem 0x000000000009fc00-0x000000000009ffff] reserved
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000003fffffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000040000000-0x00000000401fffff] ACPI NVS
[    0.000000] BIOS-e820: [mem 0x0000000040200000-0x00000000402fffff] type 20
[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x00000001bfffffff] usable
[    0.000000] user: [mem 0x0000000000000000-0x00000000000fffff] usable
[    0.000000] e820: update [mem 0x00000000-0x00000fff] usable ==> reserved
[    0.004000] last_pfn = 0x1c0000 max_arch_pfn = 0x400000000
"""

SRAT = """\
[    0.010000] ACPI: SRAT 0x00000000BF79A3D0 0001D0 (v03 VENDOR SERVER   00000001 INTL 20091013)
[    0.010000] SRAT: PXM 0 -> APIC 0x00 -> Node 0
[    0.010001] ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x3fffffff]
[    0.010002] ACPI: SRAT: Node 0 PXM 0 [mem 0x100000000-0x13fffffff]
[    0.010003] ACPI: SRAT: Node 1 PXM 1 [mem 0x140000000-0x1bfffffff]
"""

EARLY = """\
[    0.020000] Early memory node ranges
[    0.020001]   node   0: [mem 0x0000000000001000-0x000000000009efff]
[    0.020002]   node   0: [mem 0x0000000000100000-0x000000003fffffff]
[    0.020003]   node   1: [mem 0x0000000100000000-0x00000001bfffffff]
[    0.020004] Initmem setup node 0 [mem 0x0000000000001000-0x000000003fffffff]
"""

BUDDYINFO = """\
Node 0, zone      DMA      1      1      1      0      2      1      1      0      1      1      3
Node 0, zone    DMA32    170     66     58     60     26     17     10     12      7      7    111
Node 1, zone   Normal    356    154    571    302    143     14      7      4      3      2      0
"""

PAGETYPEINFO = """\
Page block order: 9
Pages per block:  512

Free pages count per migrate type at order     0      1      2      3      4      5      6      7      8      9     10
Node 0, zone   Normal, type    Unmovable     10      0      0      0      0      0      0      0      0      0      1
Node 0, zone   Normal, type      Movable      5      2 >100000      0      0      0      0      0      0      0      0

Number of blocks type     Unmovable      Movable
Node 0, zone   Normal            1            7
"""

ID_CTRL = """\
{
  "vid": 4932,
  "sn": "REMOVED             ",
  "mn": "Example 512GB                           ",
  "fr": "1.0     ",
  "mdts": 5,
  "hmpre": 16384,
  "hmmin": 4096,
  "hmminds": 1024,
  "hmmaxd": 8,
  "nn": 1
}
"""

USABLE = 0x9F000 - 0x1000 + (0x40000000 - 0x100000) + 0xC0000000
"""Bytes of the machine above: page 0 left out, the piece below 640 KiB cut at its last whole page."""
