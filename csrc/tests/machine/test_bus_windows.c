/* Device addresses at their ends: mappings that do not fit, the last page there is, pages that lie apart in memory, a
 * guard that says no. */
#include "../check.h"

#include <string.h>

#include "machine/machine_i.h"

#define PAGE UINT64_C(4096)

static storsim_machine_t *make(void) {
    static const storsim_range_t ranges[] = {{0x100000, 0x400000, 0}};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 1, .seed = 3};
    storsim_machine_t *machine;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    return machine;
}

static storsim_status_t allow(storsim_machine_t *machine, ss_device_t device, uint64_t address, uint64_t physical, size_t bytes,
                              bool write, ss_bus_result_t result) {
    (void)machine, (void)device, (void)address, (void)physical, (void)bytes, (void)write, (void)result;
    return STORSIM_OK;
}

static uint64_t steady_asked;
static uint64_t steady(storsim_machine_t *machine, ss_device_t device, uint64_t physical) {
    (void)machine, (void)device;
    steady_asked++;
    return 64 * PAGE - physical % PAGE;
}

/* More pages than there are below the limit, and a mapping given back with another length than it has. */
static void test_limits(void) {
    storsim_machine_t *m = make();
    ss_device_t device;
    uint64_t logical = 1, physical;
    CHECK_EQ(ss_bus_add_device(m, true, true, &device), STORSIM_OK);
    CHECK_EQ(ss_bus_map(m, device, 0x100, 0x40, 0x12FFF, &logical), STORSIM_NO_SPACE);
    CHECK_EQ(logical, 1);
    CHECK_EQ(ss_bus_map(m, device, 0x100, 2, 0x12FFF, &logical), STORSIM_OK);
    CHECK_EQ(logical, 0x11000);
    ss_bus_unmap(m, device, logical, 1);
    CHECK(ss_bus_translate(m, device, logical + PAGE, &physical) && physical == 0x101000);
    ss_bus_unmap(m, device, logical, 2);
    CHECK(!ss_bus_translate(m, device, logical, &physical));
    storsim_machine_destroy(m);
}

/* The last page of the address space is read like any other, but no window is opened behind which there would be
 * nothing. */
static void test_last_page(void) {
    storsim_machine_t *m = make();
    ss_device_t device;
    uint64_t logical;
    uint8_t bytes[16] = {1, 2, 3}, back[16];
    ss_bus_result_t result;
    ss_bus_window_t window = {0};
    const ss_bus_limits_t top = {.lowest = UINT64_MAX - PAGE + 1, .highest = UINT64_MAX};
    ss_bus_set_guard(m, allow, steady);
    CHECK_EQ(ss_bus_add_device(m, true, true, &device), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(m, 0x200000, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(ss_bus_map_within(m, device, 0x200, 1, &top, &logical), STORSIM_OK);
    CHECK_EQ(logical, UINT64_MAX - PAGE + 1);
    CHECK_EQ(ss_bus_map_within(m, device, 0x201, 1, &top, &logical), STORSIM_NO_SPACE);
    CHECK_EQ(ss_bus_read_window(m, device, &window, logical, back, sizeof back, &result), STORSIM_OK);
    CHECK(result == SS_BUS_OK && memcmp(back, bytes, sizeof bytes) == 0);
    CHECK_EQ(ss_bus_sure(m, &window, logical), 0);
    storsim_machine_destroy(m);
}

/* Neighbours for the device that lie apart in memory: the guard is asked for each, and the window ends with the
 * first. */
static void test_pages_apart(void) {
    storsim_machine_t *m = make();
    ss_device_t device;
    uint64_t logical, second;
    uint8_t bytes[16] = {1, 2, 3}, back[16];
    ss_bus_result_t result;
    ss_bus_window_t window = {0};
    ss_bus_set_guard(m, allow, steady);
    CHECK_EQ(ss_bus_add_device(m, true, true, &device), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(m, 0x200000, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(m, 0x300000, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(ss_bus_map(m, device, 0x200, 1, UINT64_MAX, &logical), STORSIM_OK);
    CHECK_EQ(ss_bus_map(m, device, 0x300, 1, UINT64_MAX, &second), STORSIM_OK);
    CHECK_EQ(second, logical + PAGE);
    steady_asked = 0;
    CHECK_EQ(ss_bus_read_window(m, device, &window, logical + 8, back, 8, &result), STORSIM_OK);
    CHECK_EQ(steady_asked, 2);
    CHECK_EQ(ss_bus_sure(m, &window, logical), PAGE);
    CHECK_EQ(ss_bus_sure(m, &window, second), 0);
    storsim_machine_destroy(m);
}

static uint64_t refused_page;
static storsim_status_t refuse(storsim_machine_t *machine, ss_device_t device, uint64_t address, uint64_t physical, size_t bytes,
                               bool write, ss_bus_result_t result) {
    (void)machine, (void)device, (void)address, (void)bytes, (void)write, (void)result;
    return physical / PAGE == refused_page ? STORSIM_VIOLATION : STORSIM_OK;
}

/* A write over two pages of which the guard refuses the second changes neither. */
static void test_refused_whole(void) {
    storsim_machine_t *m = make();
    ss_device_t device;
    uint8_t bytes[16] = {1, 2, 3}, back[16], other[16];
    ss_bus_result_t result;
    CHECK_EQ(ss_bus_add_device(m, false, true, &device), STORSIM_OK);
    memset(other, 0x55, sizeof other);
    CHECK_EQ(storsim_memory_write(m, 0x200FF8, other, sizeof other), STORSIM_OK);
    refused_page = 0x201;
    ss_bus_set_guard(m, refuse, NULL);
    CHECK_EQ(ss_bus_write(m, device, 0x200FF8, bytes, sizeof bytes, &result), STORSIM_VIOLATION);
    CHECK_EQ(storsim_memory_read(m, 0x200FF8, back, sizeof back), STORSIM_OK);
    CHECK(memcmp(back, other, sizeof back) == 0);
    refused_page = 0;
    CHECK_EQ(ss_bus_write(m, device, 0x200FF8, bytes, sizeof bytes, &result), STORSIM_OK);
    CHECK_EQ(storsim_memory_read(m, 0x200FF8, back, sizeof back), STORSIM_OK);
    CHECK(memcmp(back, bytes, sizeof back) == 0);
    storsim_machine_destroy(m);
}

int main(void) {
    test_limits();
    test_last_page();
    test_pages_apart();
    test_refused_whole();
    return CHECK_DONE();
}
