//! The registers of an interrupted thread, from the context of a signal.

use libc::ucontext_t;

use super::v8::Registers;

/// What V8 needs to walk the frames.
#[cfg(target_arch = "x86_64")]
pub(super) fn registers_of(context: &ucontext_t) -> Registers {
    let register = |index: i32| {
        let index = usize::try_from(index).unwrap_or_default();
        let value = context.uc_mcontext.gregs.get(index).copied();
        word(value.unwrap_or_default().cast_unsigned())
    };
    Registers {
        pc: register(libc::REG_RIP),
        sp: register(libc::REG_RSP),
        fp: register(libc::REG_RBP),
        lr: 0,
        callee_saved: 0,
    }
}

/// What V8 needs to walk the frames.
#[cfg(target_arch = "aarch64")]
pub(super) fn registers_of(context: &ucontext_t) -> Registers {
    let machine = &context.uc_mcontext;
    Registers {
        pc: word(machine.pc),
        sp: word(machine.sp),
        fp: word(machine.regs[29]),
        lr: word(machine.regs[30]),
        callee_saved: 0,
    }
}

/// Both architectures have words of this size.
fn word(register: u64) -> usize {
    usize::try_from(register).unwrap_or_default()
}
