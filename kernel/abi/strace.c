// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: strace=1: each system call as a line of the log, `name(arguments) = result`.
 *
 * Model: the letters of syscall_kinds say how an argument is printed (see tools/syscalls.py): f fd,
 * d dirfd, s path, i buffer that goes in, o buffer that comes out, O open flags, m octal, x hex,
 * g signal, p pointer, u size, l long, n int.  Strings are read before the call (it may change them).
 * The line of a call that does not return (exit, a successful exit of execve's old image) is printed
 * before it.
 */
#define LOG_TAG "strace"
#include <abi/strace.h>
#include <abi/syscall.h>

#include <core/log.h>
#include <core/params.h>
#include <hal/usercopy.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <proc/process.h>

#include <linux/fcntl.h>

bool syscall_trace;

static err_t set_strace(const char *value)
{
    syscall_trace = !value || strcmp(value, "0") != 0;
    return 0;
}
PARAM(strace, "log every system call", set_strace);

#define STRACE_TEXT 48 /* bytes of a string that are shown */

struct line {
    char text[320];
    size_t length;
};

static __printf(2, 3) void line_add(struct line *l, const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = fmt_vsnprintf(l->text + l->length, sizeof l->text - l->length, format, ap);
    va_end(ap);
    l->length = MIN(l->length + (size_t)MAX(n, 0), sizeof l->text - 1);
}

static void add_escaped(struct line *l, const char *s, size_t n)
{
    line_add(l, "\"");
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\n')
            line_add(l, "\\n");
        else if ((unsigned char)s[i] < ' ' || (unsigned char)s[i] > '~')
            line_add(l, "\\%o", (unsigned char)s[i]);
        else
            line_add(l, "%c", s[i]);
    }
    line_add(l, "\"");
}

static void add_string(struct line *l, uint64_t addr)
{
    char text[STRACE_TEXT];
    ssize_t n = user_copy_string(text, USER_PTR(const char, addr), sizeof text);

    if (n < 0)
        line_add(l, "%#llx", (unsigned long long)addr);
    else
        add_escaped(l, text, (size_t)n);
}

static void add_buffer(struct line *l, uint64_t addr, uint64_t length)
{
    char text[STRACE_TEXT];
    size_t n = MIN(length, sizeof text);

    if (copy_from_user(text, USER_PTR(const void, addr), n))
        line_add(l, "%#llx", (unsigned long long)addr);
    else
        add_escaped(l, text, n);
}

static void add_argument(struct line *l, const struct hal_regs *r, unsigned i, char kind)
{
    uint64_t v = regs_arg(r, i);

    switch (kind) {
    case 'd':
        if ((int)v == AT_FDCWD) {
            line_add(l, "AT_FDCWD");
            break;
        }
        line_add(l, "%d", (int)v);
        break;
    case 's':
        add_string(l, v);
        break;
    case 'i':
        add_buffer(l, v, i + 1 < 6 ? regs_arg(r, i + 1) : 0);
        break;
    case 'O':
    case 'm':
        line_add(l, "%#o", (unsigned)v);
        break;
    case 'x':
    case 'o':
    case 'p':
        line_add(l, v ? "%#llx" : "0", (unsigned long long)v);
        break;
    case 'u':
    case 'l':
        line_add(l, "%lld", (long long)v);
        break;
    default:
        line_add(l, "%d", (int)v);
        break;
    }
}

static void add_call(struct line *l, const struct hal_regs *r)
{
    unsigned long nr = (unsigned long)regs_nr(r);
    const char *name = nr < syscall_count ? syscall_names[nr] : NULL;
    const char *kinds = nr < syscall_count ? syscall_kinds[nr] : NULL;

    if (!name) {
        line_add(l, "syscall_%lu(%#llx, %#llx", nr, (unsigned long long)regs_arg(r, 0),
                 (unsigned long long)regs_arg(r, 1));
        return;
    }
    line_add(l, "%s(", name);
    for (unsigned i = 0; kinds && kinds[i] && i < 6; i++) {
        if (i)
            line_add(l, ", ");
        add_argument(l, r, i, kinds[i]);
    }
}

long strace_call(struct hal_regs *r)
{
    unsigned long nr = (unsigned long)regs_nr(r);
    struct task *t = task_current();
    struct line l = { .length = 0 };
    long ret = -ENOSYS;

    line_add(&l, "%d ", t->id);
    add_call(&l, r);
    if (nr < syscall_count && syscall_names[nr] && str_starts_with(syscall_names[nr], "exit"))
        log_notice("%s) = ?", l.text);
    if (nr < syscall_count)
        ret = syscall_table[nr](r);
    if (ret < 0 && ret >= -4095)
        log_notice("%s) = -%ld", l.text, -ret);
    else
        log_notice("%s) = %#lx", l.text, ret);
    return ret;
}
