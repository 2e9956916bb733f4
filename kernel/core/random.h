// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: random numbers: a ChaCha20 generator keyed from a pool (BLAKE2s or ChaCha-mixed) that
 * interrupts' timing, the hardware generator and the loader feed.  RFC 8439.
 */
#pragma once

#include <lib/types.h>

void random_bytes(void *buf, size_t n); /* any context; best effort until random_ready() */
uint64_t random_u64(void);
uint64_t random_below(uint64_t limit); /* uniform in [0, limit), limit > 0 */
void random_add(const void *data, size_t n, unsigned credit_bits);
void random_add_irq(unsigned irq); /* from irq_dispatch: mixes the cycle counter, cheap */
bool random_ready(void); /* 256 bits have been credited */

/* One block of RFC 8439, 2.3: words 12-15 (counter and nonce) are `tail`. */
void chacha20_block(const uint32_t key[8], const uint32_t tail[4], uint32_t out[16]);
