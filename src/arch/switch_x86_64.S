/* switch_x86_64.S - see switch.h. Stack of one that is switched out, upwards from its stack pointer:
 *   mxcsr and x87 control word (unless WEFT_SWITCH_NO_FP), r15 r14 r13 r12 rbx rbp, return address.
 * The CFI stays right across the change of rsp, because both stacks have this layout.
 * No shadow-stack note in this object: a process never gets one by accident.
 */
#if defined(__x86_64__)
        .text

.macro switch name, jumps
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align 4
\name:
        .cfi_startproc
        endbr64
        push    %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        push    %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        push    %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        push    %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        push    %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        push    %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
#ifndef WEFT_SWITCH_NO_FP
        sub     $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
#endif
        mov     %rsp, (%rdi)
        mov     %rsi, %rsp
#ifndef WEFT_SWITCH_NO_FP
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        add     $8, %rsp
        .cfi_adjust_cfa_offset -8
#endif
        mov     %rdx, %rax
        pop     %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        pop     %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        pop     %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        pop     %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        pop     %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        pop     %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
  .if \jumps
        pop     %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        jmp     *%rcx
  .else
        ret
  .endif
        .cfi_endproc
        .size   \name, .-\name
.endm

        switch  weft__switch, 0
        switch  weft__jump, 1

        /* The bottom of every stack: rax is what was handed over, r12 the entry. */
        .type   weft__bottom, @function
        .p2align 4
weft__bottom:
        .cfi_startproc
        .cfi_undefined rip
        endbr64
        xor     %ebp, %ebp
        mov     %rax, %rdi
        call    *%r12
        ud2
        .cfi_endproc
        .size   weft__bottom, .-weft__bottom

        /* void *weft__switch_prepare(char *top, void (*entry)(void *)) */
        .globl  weft__switch_prepare
        .hidden weft__switch_prepare
        .type   weft__switch_prepare, @function
        .p2align 4
weft__switch_prepare:
        .cfi_startproc
        endbr64
        lea     weft__bottom(%rip), %rax
        mov     %rax, -8(%rdi)          /* return address; after it rsp is top, aligned to 16 */
        xor     %eax, %eax
        mov     %rax, -16(%rdi)         /* rbp */
        mov     %rax, -24(%rdi)         /* rbx */
        mov     %rsi, -32(%rdi)         /* r12 */
        mov     %rax, -40(%rdi)         /* r13 */
        mov     %rax, -48(%rdi)         /* r14 */
        mov     %rax, -56(%rdi)         /* r15 */
#ifndef WEFT_SWITCH_NO_FP
        stmxcsr -64(%rdi)               /* a new task starts with its starter's modes */
        fnstcw  -60(%rdi)
        lea     -64(%rdi), %rax
#else
        lea     -56(%rdi), %rax
#endif
        ret
        .cfi_endproc
        .size   weft__switch_prepare, .-weft__switch_prepare

        /* int weft__call_sealed(int (*fn)(void *), void *arg) */
        .globl  weft__call_sealed
        .hidden weft__call_sealed
        .type   weft__call_sealed, @function
        .p2align 4
weft__call_sealed:
        .cfi_startproc
        .cfi_undefined rip              /* the unwinder ends here, and with it the exception */
        endbr64
        sub     $8, %rsp
        mov     %rdi, %rax
        mov     %rsi, %rdi
        call    *%rax
        add     $8, %rsp
        ret
        .cfi_endproc
        .size   weft__call_sealed, .-weft__call_sealed

        .section .note.GNU-stack, "", @progbits
#endif
