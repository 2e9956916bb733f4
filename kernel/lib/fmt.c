// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: formatted text without floating point.  ISO C99 7.19.6.1.
 *
 * Model: a directive is parsed into struct spec; each conversion renders its digits or text, and
 * emit_padded adds what width and flags ask for.  Output goes through `put` in runs, so that one
 * engine serves buffers, logs and consoles.
 */
#include <lib/fmt.h>
#include <lib/string.h>

enum { F_LEFT = 1, F_ZERO = 2, F_PLUS = 4, F_SPACE = 8, F_ALT = 16, F_UPPER = 32 };
enum length { LEN_INT, LEN_CHAR, LEN_SHORT, LEN_LONG, LEN_LLONG };

struct spec {
    unsigned flags;
    int width, precision; /* precision -1: none */
    enum length length;
    char conversion;
};

struct out {
    fmt_put_fn put;
    void *ctx;
    size_t total;
};

static void emit(struct out *o, const char *s, size_t n)
{
    if (n != 0)
        o->put(o->ctx, s, n);
    o->total += n;
}

static void emit_fill(struct out *o, char c, int n)
{
    char run[16];

    if (n <= 0)
        return;
    memset(run, c, sizeof(run));
    for (; n > 0; n -= (int)sizeof(run))
        emit(o, run, MIN((size_t)n, sizeof(run)));
}

/* prefix (sign, 0x), then zeros, then text, in a field of the width. */
static void emit_padded(struct out *o, const struct spec *sp, const char *prefix, int zeros,
                        const char *text, size_t n)
{
    size_t prefix_len = strlen(prefix);
    int pad = sp->width - (int)(prefix_len + (size_t)zeros + n);

    if (!(sp->flags & F_LEFT))
        emit_fill(o, ' ', pad);
    emit(o, prefix, prefix_len);
    emit_fill(o, '0', zeros);
    emit(o, text, n);
    if (sp->flags & F_LEFT)
        emit_fill(o, ' ', pad);
}

static void emit_number(struct out *o, const struct spec *sp, uint64_t v, unsigned base,
                        const char *prefix)
{
    const char *digits = sp->flags & F_UPPER ? "0123456789ABCDEF" : "0123456789abcdef";
    char buf[24], *p = buf + sizeof(buf);
    int n, zeros = 0;

    for (; v != 0; v /= base)
        *--p = digits[v % base];
    if (p == buf + sizeof(buf) && sp->precision != 0)
        *--p = '0';
    n = (int)(buf + sizeof(buf) - p);
    if (sp->precision >= 0)
        zeros = MAX(sp->precision - n, 0);
    else if ((sp->flags & (F_ZERO | F_LEFT)) == F_ZERO)
        zeros = MAX(sp->width - n - (int)strlen(prefix), 0);
    if (base == 8 && (sp->flags & F_ALT) && zeros == 0 && (n == 0 || *p != '0'))
        zeros = 1;
    emit_padded(o, sp, prefix, zeros, p, (size_t)n);
}

static void emit_signed(struct out *o, const struct spec *sp, int64_t v)
{
    const char *sign = v < 0 ? "-" : sp->flags & F_PLUS ? "+" : sp->flags & F_SPACE ? " " : "";

    emit_number(o, sp, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, sign);
}

static void emit_unsigned(struct out *o, struct spec *sp, uint64_t v)
{
    const char *prefix = "";
    unsigned base = 10;

    switch (sp->conversion) {
    case 'o':
        base = 8;
        break;
    case 'X':
        sp->flags |= F_UPPER;
        base = 16;
        if ((sp->flags & F_ALT) && v != 0)
            prefix = "0X";
        break;
    case 'x':
        base = 16;
        if ((sp->flags & F_ALT) && v != 0)
            prefix = "0x";
        break;
    }
    emit_number(o, sp, v, base, prefix);
}

static void emit_string(struct out *o, const struct spec *sp, const char *s)
{
    size_t n;

    if (s == NULL)
        s = "(null)";
    n = sp->precision >= 0 ? strnlen(s, (size_t)sp->precision) : strlen(s);
    emit_padded(o, sp, "", 0, s, n);
}

static const char *parse_flags(const char *f, struct spec *sp)
{
    for (;; f++) {
        switch (*f) {
        case '-': sp->flags |= F_LEFT; break;
        case '0': sp->flags |= F_ZERO; break;
        case '+': sp->flags |= F_PLUS; break;
        case ' ': sp->flags |= F_SPACE; break;
        case '#': sp->flags |= F_ALT; break;
        default: return f;
        }
    }
}

static const char *parse_int(const char *f, int *out)
{
    int v = 0;

    for (; *f >= '0' && *f <= '9'; f++)
        v = v > 100000 ? v : v * 10 + (*f - '0');
    *out = v;
    return f;
}

static const char *parse_length(const char *f, struct spec *sp)
{
    sp->length = LEN_INT;
    switch (*f) {
    case 'h':
        sp->length = f[1] == 'h' ? LEN_CHAR : LEN_SHORT;
        return f + (f[1] == 'h' ? 2 : 1);
    case 'l':
        sp->length = f[1] == 'l' ? LEN_LLONG : LEN_LONG;
        return f + (f[1] == 'l' ? 2 : 1);
    case 'z': case 't': case 'j':
        sp->length = LEN_LONG;
        return f + 1;
    }
    return f;
}

/* va_list is passed on by pointer, so that what is consumed here is consumed for the caller. */
struct args {
    va_list ap;
};

static int64_t take_signed(struct args *a, enum length len)
{
    switch (len) {
    case LEN_CHAR: return (signed char)va_arg(a->ap, int);
    case LEN_SHORT: return (short)va_arg(a->ap, int);
    case LEN_LONG: return va_arg(a->ap, long);
    case LEN_LLONG: return va_arg(a->ap, long long);
    default: return va_arg(a->ap, int);
    }
}

static uint64_t take_unsigned(struct args *a, enum length len)
{
    switch (len) {
    case LEN_CHAR: return (unsigned char)va_arg(a->ap, unsigned);
    case LEN_SHORT: return (unsigned short)va_arg(a->ap, unsigned);
    case LEN_LONG: return va_arg(a->ap, unsigned long);
    case LEN_LLONG: return va_arg(a->ap, unsigned long long);
    default: return va_arg(a->ap, unsigned);
    }
}

static const char *parse_spec(const char *f, struct spec *sp, struct args *a)
{
    *sp = (struct spec){ .precision = -1 };
    f = parse_flags(f, sp);
    if (*f == '*') {
        sp->width = va_arg(a->ap, int);
        if (sp->width < 0) {
            sp->flags |= F_LEFT;
            sp->width = sp->width == INT_MIN ? 0 : -sp->width;
        }
        f++;
    } else {
        f = parse_int(f, &sp->width);
    }
    if (*f == '.') {
        if (*++f == '*') {
            sp->precision = va_arg(a->ap, int);
            f++;
        } else {
            f = parse_int(f, &sp->precision);
        }
    }
    f = parse_length(f, sp);
    sp->conversion = *f;
    return f;
}

static void convert(struct out *o, struct spec *sp, struct args *a)
{
    char c;

    switch (sp->conversion) {
    case 'd': case 'i':
        emit_signed(o, sp, take_signed(a, sp->length));
        break;
    case 'u': case 'x': case 'X': case 'o':
        emit_unsigned(o, sp, take_unsigned(a, sp->length));
        break;
    case 'p':
        sp->flags |= F_ALT;
        sp->conversion = 'x';
        emit_unsigned(o, sp, (uintptr_t)va_arg(a->ap, void *));
        break;
    case 's':
        emit_string(o, sp, va_arg(a->ap, const char *));
        break;
    case 'c':
        c = (char)va_arg(a->ap, int);
        emit_padded(o, sp, "", 0, &c, 1);
        break;
    default: /* an unknown conversion shows itself, '%' too */
        if (sp->conversion != '%')
            emit(o, "%", 1);
        emit(o, &sp->conversion, 1);
        break;
    }
}

int fmt_vprint(fmt_put_fn put, void *ctx, const char *format, va_list ap)
{
    struct out o = { .put = put, .ctx = ctx };
    struct args a;
    struct spec sp;

    va_copy(a.ap, ap);
    while (*format != '\0') {
        const char *run = format;

        while (*format != '\0' && *format != '%')
            format++;
        emit(&o, run, (size_t)(format - run));
        if (*format == '\0')
            break;
        format = parse_spec(format + 1, &sp, &a);
        if (*format == '\0')
            break;
        convert(&o, &sp, &a);
        format++;
    }
    va_end(a.ap);
    return (int)o.total;
}

struct buffer {
    char *p;
    size_t space; /* without the NUL */
};

static void buffer_put(void *ctx, const char *s, size_t n)
{
    struct buffer *b = ctx;

    n = MIN(n, b->space);
    memcpy(b->p, s, n);
    b->p += n;
    b->space -= n;
}

int fmt_vsnprintf(char *buf, size_t size, const char *format, va_list ap)
{
    struct buffer b = { .p = buf, .space = size > 0 ? size - 1 : 0 };
    int n = fmt_vprint(buffer_put, &b, format, ap);

    if (size > 0)
        *b.p = '\0';
    return n;
}

int fmt_snprintf(char *buf, size_t size, const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = fmt_vsnprintf(buf, size, format, ap);
    va_end(ap);
    return n;
}

int fmt_scnprintf(char *buf, size_t size, const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = fmt_vsnprintf(buf, size, format, ap);
    va_end(ap);
    return size == 0 ? 0 : MIN(n, (int)size - 1);
}
