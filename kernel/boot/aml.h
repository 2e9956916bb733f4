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
/* Passes over a NameString. */
bool aml_name(struct aml *a);
/* Passes over an integer, a string, a buffer or a package. */
bool aml_data(struct aml *a);
