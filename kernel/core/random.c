// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: random numbers for everybody.
 *
 * Model: the generator is ChaCha20 (RFC 8439) with fast key erasure (Bernstein, "Fast-key-erasure
 * random-number generators", 2017): a refill makes BUFFER_BYTES under the key, of which the first
 * 32 become the next key at once and the rest is handed out and wiped as it goes; so what was given
 * out cannot be computed from memory later.  The pool is a sponge over ChaCha's permutation with
 * 32 of 64 bytes as rate.  It is fed by the hardware generator, the loader's seed, the moments of
 * interrupts, and, while somebody asks for readiness in vain, by the jitter of the CPU's own timing
 * (Mueller, "CPU time jitter based non-physical true random number generator", 2013): a sample counts
 * only when its duration and that duration's change are both new.  When 256 bits have been credited since the last time, a refill mixes the
 * pool's output into the key.
 * Locking: LOCK_RANDOM guards all but the interrupt words, which are atomic.
 */
#include <core/random.h>
#include <core/spinlock.h>
#include <hal/abi.h>
#include <lib/string.h>

#define KEY_WORDS 8
#define BLOCK_WORDS 16
#define BLOCKS 4
#define BUFFER_BYTES (BLOCKS * BLOCK_WORDS * 4)
#define KEY_BYTES (KEY_WORDS * 4)
#define CREDIT_READY 256
#define JITTER_SAMPLES 256
#define JITTER_PER_BIT 2 /* good samples for one bit of credit */

static struct spinlock random_lock = SPINLOCK_INIT(LOCK_RANDOM);
static uint32_t key[KEY_WORDS]; /* random_lock, as all to the next blank line */
static uint64_t block_counter;
static uint8_t buffer[BUFFER_BYTES] __aligned(8);
static size_t buffer_used = BUFFER_BYTES;
static uint32_t pool[BLOCK_WORDS];
static unsigned pool_credit;
static bool ready, hardware_asked;

static uint64_t irq_words[4]; /* atomic */
static uint32_t irq_count; /* atomic */

static inline uint32_t rotl(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static inline void quarter_round(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
    x[a] += x[b];
    x[d] = rotl(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotl(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotl(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotl(x[b] ^ x[c], 7);
}

/* The twenty rounds, in place: RFC 8439, 2.3. */
static void chacha_permute(uint32_t x[BLOCK_WORDS])
{
    for (unsigned i = 0; i < 10; i++) {
        quarter_round(x, 0, 4, 8, 12);
        quarter_round(x, 1, 5, 9, 13);
        quarter_round(x, 2, 6, 10, 14);
        quarter_round(x, 3, 7, 11, 15);
        quarter_round(x, 0, 5, 10, 15);
        quarter_round(x, 1, 6, 11, 12);
        quarter_round(x, 2, 7, 8, 13);
        quarter_round(x, 3, 4, 9, 14);
    }
}

/* One block: words 12-13 are the counter, 14-15 the nonce. */
void chacha20_block(const uint32_t k[KEY_WORDS], const uint32_t tail[4], uint32_t out[BLOCK_WORDS])
{
    uint32_t in[BLOCK_WORDS] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

    memcpy(in + 4, k, KEY_BYTES);
    memcpy(in + 12, tail, 16);
    memcpy(out, in, sizeof(in));
    chacha_permute(out);
    for (unsigned i = 0; i < BLOCK_WORDS; i++)
        out[i] += in[i];
}

/* --- the pool; random_lock held --- */

static void pool_add(const void *data, size_t n)
{
    const uint8_t *p = data;

    while (n > 0) {
        uint32_t in[KEY_WORDS] = { 0 };
        size_t part = MIN(n, sizeof(in));

        memcpy(in, p, part);
        for (unsigned i = 0; i < KEY_WORDS; i++)
            pool[i] ^= in[i];
        pool[BLOCK_WORDS - 1] ^= (uint32_t)part;
        chacha_permute(pool);
        p += part;
        n -= part;
    }
}

static void pool_credit_add(unsigned bits)
{
    pool_credit = MIN(pool_credit + bits, 4096);
}

static void pool_add_hardware(void)
{
    uint64_t word[8] = { hal_cycles() };
    unsigned n = 0;

    while (n < ARRAY_SIZE(word) && abi_hw_random(&word[n]))
        n++;
    pool_add(word, sizeof(word));
    pool_credit_add(n * 64);
}

/* Times permutations of the pool, whose duration depends on caches, frequency and interruptions. */
static void pool_add_jitter(void)
{
    uint64_t last = hal_cycles(), delta = 0, change = 0;
    unsigned good = 0;

    for (unsigned i = 0; i < JITTER_SAMPLES; i++) {
        uint64_t now, d, c;

        pool_add(&last, sizeof(last));
        now = hal_cycles();
        d = now - last;
        c = d - delta;
        if (d != delta && c != change && d != 0)
            good++;
        last = now;
        delta = d;
        change = c;
    }
    pool_credit_add(good / JITTER_PER_BIT);
}

/* --- the generator; random_lock held --- */

static void key_reseed(void)
{
    if (!hardware_asked || pool_credit >= CREDIT_READY)
        pool_add_hardware();
    hardware_asked = true;
    if (pool_credit >= CREDIT_READY) {
        pool_credit = 0;
        atomic_store_relaxed(&ready, true);
    } else if (ready) {
        return;
    }
    for (unsigned i = 0; i < KEY_WORDS; i++)
        key[i] ^= pool[i];
    chacha_permute(pool); /* what went into the key is no longer in the pool */
}

static void buffer_refill(void)
{
    uint64_t now = hal_cycles();

    key_reseed();
    for (unsigned i = 0; i < BLOCKS; i++) {
        uint32_t tail[4] = { (uint32_t)block_counter, (uint32_t)(block_counter >> 32),
                             (uint32_t)now, (uint32_t)(now >> 32) };

        block_counter++;
        chacha20_block(key, tail, (uint32_t *)(void *)buffer + i * BLOCK_WORDS);
    }
    memcpy(key, buffer, KEY_BYTES);
    memset(buffer, 0, KEY_BYTES);
    buffer_used = KEY_BYTES;
}

static size_t buffer_take(void *out, size_t n)
{
    if (buffer_used == BUFFER_BYTES)
        buffer_refill();
    n = MIN(n, BUFFER_BYTES - buffer_used);
    memcpy(out, buffer + buffer_used, n);
    memset(buffer + buffer_used, 0, n);
    buffer_used += n;
    return n;
}

void random_bytes(void *buf, size_t n)
{
    uint8_t *p = buf;

    while (n > 0) {
        /* The lock is dropped between buffers: a large request does not keep interrupts off. */
        unsigned long flags = spin_lock_irqsave(&random_lock);
        size_t got = buffer_take(p, n);

        spin_unlock_irqrestore(&random_lock, flags);
        p += got;
        n -= got;
    }
}

uint64_t random_u64(void)
{
    uint64_t v;

    random_bytes(&v, sizeof(v));
    return v;
}

uint64_t random_below(uint64_t limit)
{
    uint64_t unfair = -limit % limit; /* 2^64 mod limit values would come up once too often */
    uint64_t v;

    do
        v = random_u64();
    while (v < unfair);
    return v % limit;
}

void random_add(const void *data, size_t n, unsigned credit_bits)
{
    unsigned long flags = spin_lock_irqsave(&random_lock);

    pool_add(data, n);
    pool_credit_add(credit_bits);
    if (!ready && pool_credit >= CREDIT_READY)
        buffer_used = BUFFER_BYTES; /* the next request reseeds */
    spin_unlock_irqrestore(&random_lock, flags);
}

/* Every 64 interrupts the words go to the pool, credited with one bit for each interrupt. */
void random_add_irq(unsigned irq)
{
    uint32_t n = __atomic_fetch_add(&irq_count, 1, __ATOMIC_RELAXED);
    uint64_t v = hal_cycles() * 0x9e3779b97f4a7c15ull + irq;

    __atomic_fetch_xor(&irq_words[n % ARRAY_SIZE(irq_words)], v << (n & 31) | v >> (64 - (n & 31)) % 64,
                       __ATOMIC_RELAXED);
    if (n % 64 == 63)
        random_add(irq_words, sizeof(irq_words), 64);
}

bool random_ready(void)
{
    unsigned long flags;
    bool yes;

    if (atomic_load_relaxed(&ready))
        return true; /* for ever */
    flags = spin_lock_irqsave(&random_lock);
    if (!ready) {
        key_reseed();
        if (!ready) {
            pool_add_jitter();
            key_reseed();
        }
    }
    yes = ready;
    spin_unlock_irqrestore(&random_lock, flags);
    return yes;
}
