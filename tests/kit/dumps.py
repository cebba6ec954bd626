"""Codec dumps that several tests load, in the form of Linux' /proc/asound/card*/codec#*; written for the tests."""

STEREO_ONLY = """Codec: Two Channels
Address: 0
AFG Function Id: 0x1 (unsol 0)
Vendor Id: 0x11112222
Subsystem Id: 0x1
Revision Id: 0x100000
Default PCM:
    rates [0x60]: 44100 48000
    bits [0x2]: 16
    formats [0x1]: PCM
Node 0x02 [Audio Output] wcaps 0x1: Stereo
  Converter: stream=0, channel=0
Node 0x03 [Pin Complex] wcaps 0x400101: Stereo
  Pincap 0x00000010: OUT
  Pin Default 0x01014010: [Jack] Line Out at Ext Rear
  Pin-ctls: 0x40: OUT
  Connection: 1
     0x02
"""
