// SPDX-License-Identifier: CC0-1.0
/* Purpose: struct rusage from the kernel's sums. */
#pragma once

#include <hal/usercopy.h>
#include <lib/string.h>
#include <proc/process.h>

#include <linux/resource.h>

static inline err_t rusage_copy_out(struct rusage __user *out, const struct rusage_sum *s)
{
    struct rusage r;

    memset(&r, 0, sizeof r);
    r.ru_utime.tv_sec = (long)(s->user / NS_PER_SEC);
    r.ru_utime.tv_usec = (long)(s->user % NS_PER_SEC / NS_PER_USEC);
    r.ru_stime.tv_sec = (long)(s->system / NS_PER_SEC);
    r.ru_stime.tv_usec = (long)(s->system % NS_PER_SEC / NS_PER_USEC);
    r.ru_maxrss = (long)(s->rss_max * (PAGE_SIZE / KiB));
    r.ru_minflt = (long)s->minor_faults;
    r.ru_majflt = (long)s->major_faults;
    r.ru_inblock = (long)s->in_blocks;
    r.ru_oublock = (long)s->out_blocks;
    r.ru_nvcsw = (long)s->voluntary;
    r.ru_nivcsw = (long)s->forced;
    return copy_to_user(out, &r, sizeof r);
}
