// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the terminal emulator: the input is what a program writes to its screen.
 * Run: scripts/fuzz.sh vt SECONDS.
 *
 * Model: the first two bytes give the screen's size, the rest is written in pieces; after each piece the
 * screen is drawn, and what was drawn must be what stands there.  ASan watches the memory.
 */
#include <dev/video/vt.h>

#include <lib/string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void *calloc(size_t n, size_t size);
void free(void *p);
__noreturn void abort(void);

#define PIECE 61

static void expect(bool ok)
{
    if (!ok)
        abort();
}

static void draw(void *arg, unsigned row, unsigned column, const struct vt_cell *cell)
{
    const struct vt *vt = arg;

    expect(row < vt->rows && column < vt->columns && cell->fg <= 0xffffff && cell->bg <= 0xffffff);
}

static void round_draw(struct vt *vt)
{
    expect(vt_check(vt));
    vt_flush_begin(vt);
    for (unsigned row = 0; row < vt->rows; row++)
        vt_flush_row(vt, row, draw, vt);
    expect(vt_check(vt));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char reply[VT_REPLY_MAX];
    struct vt vt;
    void *memory;

    if (size < 2)
        return 0;
    memory = calloc(1, vt_memory(1 + data[0] % 60, 1 + data[1] % 200));
    vt_init(&vt, 1 + data[0] % 60, 1 + data[1] % 200, memory);
    for (size_t at = 2; at < size; at += PIECE) {
        vt_write(&vt, (const char *)data + at, MIN(size - at, (size_t)PIECE));
        round_draw(&vt);
        expect(vt_reply_take(&vt, reply) <= VT_REPLY_MAX);
    }
    free(memory);
    return 0;
}
