/* switch_aarch64.S - see switch.h. Saved, upwards from the stack pointer: x19-x30, d8-d15: 160 bytes.
 * Return addresses are signed where the CPU can (paciasp is a no-op elsewhere, and a landing pad). */
#if defined(__aarch64__)
        .text

        .globl  weft__switch
        .hidden weft__switch
        .type   weft__switch, %function
        .p2align 4
weft__switch:
        .cfi_startproc
        hint    #25                     /* paciasp */
        .cfi_negate_ra_state
        stp     x29, x30, [sp, #-160]!
        .cfi_adjust_cfa_offset 160
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        stp     x19, x20, [sp, #16]
        .cfi_rel_offset x19, 16
        .cfi_rel_offset x20, 24
        stp     x21, x22, [sp, #32]
        .cfi_rel_offset x21, 32
        .cfi_rel_offset x22, 40
        stp     x23, x24, [sp, #48]
        .cfi_rel_offset x23, 48
        .cfi_rel_offset x24, 56
        stp     x25, x26, [sp, #64]
        .cfi_rel_offset x25, 64
        .cfi_rel_offset x26, 72
        stp     x27, x28, [sp, #80]
        .cfi_rel_offset x27, 80
        .cfi_rel_offset x28, 88
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        mov     x0, x2
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x29, x30, [sp], #160
        .cfi_adjust_cfa_offset -160
        hint    #29                     /* autiasp */
        .cfi_negate_ra_state
        ret
        .cfi_endproc
        .size   weft__switch, .-weft__switch

        /* Measured on x86-64 only: there it pays. */
        .globl  weft__jump
        .hidden weft__jump
        .set    weft__jump, weft__switch

        .type   weft__bottom, %function
        .p2align 4
weft__bottom:
        .cfi_startproc
        .cfi_undefined x30
        hint    #36                     /* bti j */
        mov     x29, xzr
        mov     x30, xzr
        blr     x19
        brk     #1
        .cfi_endproc
        .size   weft__bottom, .-weft__bottom

        /* void *weft__switch_prepare(char *top, void (*entry)(void *)) */
        .globl  weft__switch_prepare
        .hidden weft__switch_prepare
        .type   weft__switch_prepare, %function
        .p2align 4
weft__switch_prepare:
        .cfi_startproc
        hint    #34                     /* bti c */
        adrp    x17, weft__bottom
        add     x17, x17, :lo12:weft__bottom
        mov     x16, x0                 /* signed with the sp that autiasp will see: top */
        hint    #8                      /* pacia1716 */
        sub     x0, x0, #160
        stp     xzr, x17, [x0]
        stp     x1, xzr, [x0, #16]
        stp     xzr, xzr, [x0, #32]
        stp     xzr, xzr, [x0, #48]
        stp     xzr, xzr, [x0, #64]
        stp     xzr, xzr, [x0, #80]
        stp     xzr, xzr, [x0, #96]
        stp     xzr, xzr, [x0, #112]
        stp     xzr, xzr, [x0, #128]
        stp     xzr, xzr, [x0, #144]
        ret
        .cfi_endproc
        .size   weft__switch_prepare, .-weft__switch_prepare

        /* int weft__call_sealed(int (*fn)(void *), void *arg) */
        .globl  weft__call_sealed
        .hidden weft__call_sealed
        .type   weft__call_sealed, %function
        .p2align 4
weft__call_sealed:
        .cfi_startproc
        .cfi_undefined x30
        hint    #25                     /* paciasp */
        stp     x29, x30, [sp, #-16]!
        mov     x29, sp
        mov     x9, x0
        mov     x0, x1
        blr     x9
        ldp     x29, x30, [sp], #16
        hint    #29                     /* autiasp */
        ret
        .cfi_endproc
        .size   weft__call_sealed, .-weft__call_sealed

        .section .note.GNU-stack, "", %progbits
#endif
