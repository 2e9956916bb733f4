// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a virtio device in memory, for unit tests: a transport whose other side is the test.
 * Model: registers are fields.  The device's half of the ring is walked by fake_serve(), which hands each
 * chain to the test's `work`, or by the test itself, when it wants to lie.  "Interrupts" are calls of
 * fake_interrupt().
 */
#pragma once

#include <dev/virtio/virtio.h>

#define FAKE_PIECES_MAX 160
#define FAKE_CONFIG_BYTES 64

struct fake_chain {
    uint16_t head;
    unsigned count, out; /* pieces, and how many of them the device reads */
    struct {
        uint8_t *data;
        uint32_t bytes;
    } piece[FAKE_PIECES_MAX];
};

struct fake_device {
    struct virtio_device v;
    uint64_t offered, accepted;
    unsigned entries[VIRTIO_QUEUES_MAX];
    uint8_t status;
    bool deaf; /* does not answer a reset */
    bool released;
    unsigned resets, notified;
    uint8_t config[FAKE_CONFIG_BYTES];
    struct virtio_queue *queue[VIRTIO_QUEUES_MAX]; /* that have been started */
    uint16_t taken[VIRTIO_QUEUES_MAX]; /* of the avail ring */
    /* What the device does with a chain.  Return: bytes that it says it wrote. */
    uint32_t (*work)(struct fake_device *f, unsigned queue, const struct fake_chain *c);
    void (*notified_fn)(struct fake_device *f, unsigned queue); /* may be NULL */
    void *test; /* the test's */
};

void fake_init(struct fake_device *f, uint32_t id, uint64_t offered);
/* Takes the next chain off the avail ring.  Return: whether there was one. */
bool fake_take(struct fake_device *f, unsigned queue, struct fake_chain *c);
/* Gives one back. */
void fake_give(struct fake_device *f, unsigned queue, uint32_t head, uint32_t bytes);
/* Works through all that is there.  Return: how many. */
unsigned fake_serve(struct fake_device *f, unsigned queue);
void fake_interrupt(struct fake_device *f);
