// SPDX-License-Identifier: CC0-1.0
#define LOG_TAG "video"
#include <dev/video/mode.h>

#include <core/params.h>
#include <lib/string.h>

#define PIXELS_MIN 64
#define WIDTH_MAX 2560
#define HEIGHT_MAX 1600

struct video_mode video_mode = { 1024, 768, 32, false };

static bool sensible(uint64_t width, uint64_t height, uint64_t bits)
{
    return width >= PIXELS_MIN && width <= WIDTH_MAX && width % 8 == 0 && height >= PIXELS_MIN &&
           height <= HEIGHT_MAX && (bits == 16 || bits == 24 || bits == 32);
}

static err_t set_video(const char *value)
{
    uint64_t width, height, bits = 32;

    if (!value || str_to_u64(&value, 10, &width) || *value++ != 'x' ||
        str_to_u64(&value, 10, &height))
        return -EINVAL;
    if (*value == '-') {
        value++;
        if (str_to_u64(&value, 10, &bits))
            return -EINVAL;
    }
    if (*value || !sensible(width, height, bits))
        return -EINVAL;
    video_mode = (struct video_mode){ (unsigned)width, (unsigned)height, (unsigned)bits, true };
    return 0;
}
PARAM(video, "size of a screen that the kernel sets up itself: WIDTHxHEIGHT[-BITS]", set_video);
