// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the size of a screen that the kernel sets up itself: video=WIDTHxHEIGHT[-BITS].
 */
#pragma once

#include <lib/types.h>

struct video_mode {
    unsigned width, height, bits; /* bits: 16, 24 or 32 */
    bool asked; /* false: nobody said; the rest is 1024x768-32 */
};

extern struct video_mode video_mode; /* constant once subsystems start */
