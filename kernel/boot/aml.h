// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: pieces of ACPI's byte code (ACPI 6.5, 20.2) that are read as they stand: nothing is run.
 */
#pragma once

#include <boot/acpi.h>

#define AML_ZERO 0x00
#define AML_ONE 0x01
#define AML_NAME 0x08
#define AML_BYTE 0x0a
#define AML_WORD 0x0b
#define AML_DWORD 0x0c
#define AML_STRING 0x0d
#define AML_QWORD 0x0e
#define AML_BUFFER 0x11
#define AML_PACKAGE 0x12
#define AML_VAR_PACKAGE 0x13
#define AML_METHOD 0x14
#define AML_DUAL_NAME 0x2e
#define AML_MULTI_NAME 0x2f
#define AML_EXTENDED 0x5b
#define AML_DEVICE 0x82 /* behind AML_EXTENDED */
#define AML_ROOT 0x5c
#define AML_PARENT 0x5e
#define AML_ONES 0xff
#define AML_SEGMENT_BYTES 4

/* A stretch of byte code: `at` moves, `end` bounds. */
struct aml {
    const uint8_t *bytes;
    uint32_t at, end;
};

/* An integer.  Return: whether it was one. */
bool aml_integer(struct aml *a, uint64_t *out);
/* PkgLength: bounds *a to the package, which a->at is the first byte of. */
bool aml_package(struct aml *a);
/* The package, fixed or variable, that begins at *a: moves to its first element and bounds *a.  count: how
 * many elements it says that it has. */
bool aml_elements(struct aml *a, uint64_t *count);
/* Passes over a NameString. */
bool aml_name(struct aml *a);
/* The same for one that has a segment at least.  last: its last one, AML_SEGMENT_BYTES. */
bool aml_name_last(struct aml *a, const uint8_t **last);
/* Passes over an integer, a string, a buffer or a package. */
bool aml_data(struct aml *a);

/*
 * Sought without a grammar: by what a piece begins with, which must then be whole.  Bytes that merely look
 * like a beginning are followed by something else.
 */

/* The next device from a->at on: moves a->at into it.  device: what is behind its name; name: last segment. */
bool aml_device_next(struct aml *a, struct aml *device, const uint8_t **name);
/* The value of a device's own name, not of devices within it.  Return: whether it has one that is no method's. */
bool aml_device_name(struct aml device, const char *name, struct aml *value);
