//! Follows a program and all its threads from one system call to the next.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A system call, as it is begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) number: i64,
    pub(crate) arguments: [u64; 6],
}

/// Who is told of each call; the thread is stopped meanwhile.
pub(crate) trait Watcher {
    /// A thread is about to make this call.
    fn enters(&mut self, thread: &Thread, call: Call);

    /// It has made the call that it entered last; what fails returns less than 0.
    fn leaves(&mut self, thread: &Thread, returned: i64);
}

/// A stopped thread of the program. What is asked of it is not answered if another thread has ended the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Thread(Pid);

impl Thread {
    fn proc(self, what: &str) -> PathBuf {
        format!("/proc/{}/{what}", self.0).into()
    }

    /// What this descriptor stands for: a way to the very file, and its name.
    pub(crate) fn descriptor(self, number: u64) -> PathBuf {
        self.proc(&format!("fd/{}", number.cast_signed() as i32))
    }

    pub(crate) fn directory(self) -> Option<PathBuf> {
        std::fs::read_link(self.proc("cwd")).ok()
    }

    /// Where it reads and writes next.
    pub(crate) fn position(self, descriptor: u64) -> Option<u64> {
        Some(self.descriptor_info(descriptor, "pos:")?.parse().unwrap())
    }

    /// The flags that it was opened with.
    pub(crate) fn flags(self, descriptor: u64) -> Option<i32> {
        Some(i32::from_str_radix(&self.descriptor_info(descriptor, "flags:")?, 8).unwrap())
    }

    fn descriptor_info(self, descriptor: u64, key: &str) -> Option<String> {
        let info = std::fs::read_to_string(self.proc(&format!("fdinfo/{descriptor}"))).ok()?;
        Some(info.lines().find_map(|line| line.strip_prefix(key))?.trim().to_owned())
    }

    pub(crate) fn read(self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        File::open(self.proc("mem")).ok()?.read_exact_at(&mut bytes, address).ok()?;
        Some(bytes)
    }

    pub(crate) fn write(self, address: u64, bytes: &[u8]) -> Option<()> {
        File::options().write(true).open(self.proc("mem")).ok()?.write_all_at(bytes, address).ok()
    }

    /// Text that ends with a zero byte.
    pub(crate) fn text(self, address: u64) -> Option<String> {
        let memory = File::open(self.proc("mem")).ok()?;
        let mut text = Vec::new();
        loop {
            // By small steps: what lies behind the text may be nobody's.
            let mut byte = [0];
            memory.read_exact_at(&mut byte, address + text.len() as u64).ok()?;
            if byte == [0] {
                return Some(String::from_utf8(text).unwrap());
            }
            text.extend(byte);
        }
    }
}

/// Runs a program to its end, and returns its exit code.
///
/// A shell waits before it becomes the program, so that it can be taken hold of without `unsafe`.
pub(crate) fn run(program: &Command, watcher: &mut dyn Watcher) -> i32 {
    let mut shell = Command::new("sh");
    shell.args(["-c", "read go; exec \"$@\" </dev/null", "sh"]);
    shell.arg(program.get_program()).args(program.get_args());
    shell.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(program.get_current_dir().unwrap());
    shell
        .stdin(Stdio::piped())
        .stdout(File::create(program.get_current_dir().unwrap().join("../out")).unwrap())
        .stderr(File::create(program.get_current_dir().unwrap().join("../err")).unwrap());
    #[expect(clippy::zombie_processes, reason = "who follows it waits for it")]
    let mut child = shell.spawn().unwrap();
    let main = Pid::from_raw(child.id().cast_signed());
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    if let Err(error) = ptrace::seize(main, options) {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!(
            "this machine does not let a test follow its own child ({error}), so crash states cannot be recorded: \
             allow ptrace (kernel.yama.ptrace_scope below 2, and no seccomp filter against it)"
        );
    }
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"\n").unwrap();
    follow(main, watcher)
}

/// Lets the program run from stop to stop.
fn follow(main: Pid, watcher: &mut dyn Watcher) -> i32 {
    const EXECVE: Call = Call { number: libc::SYS_execve, arguments: [0; 6] };
    let mut inside: HashMap<Pid, Call> = HashMap::new();
    let mut is_program = false;
    loop {
        // Only children of this thread: other tests of this process have theirs.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let (pid, signal) = match waitpid(None, Some(flags)).unwrap() {
            WaitStatus::Exited(pid, code) if pid == main => return code,
            WaitStatus::Signaled(pid, signal, _) if pid == main => panic!("it was killed by {signal}"),
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) => {
                inside.remove(&pid);
                continue;
            }
            WaitStatus::PtraceSyscall(pid) => {
                match inside.remove(&pid) {
                    Some(call) if call.number == libc::SYS_execve => {}
                    Some(_) => {
                        if let Ok(registers) = ptrace::getregs(pid) {
                            watcher.leaves(&Thread(pid), returned(&registers));
                        }
                    }
                    None => {
                        if let Ok(registers) = ptrace::getregs(pid) {
                            let call = call(&registers);
                            inside.insert(pid, call);
                            if call.number != libc::SYS_execve {
                                watcher.enters(&Thread(pid), call);
                            }
                        }
                    }
                }
                (pid, None)
            }
            WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_EXEC) => {
                // The next stop is the end of this call.
                inside.insert(pid, EXECVE);
                is_program = true;
                (pid, None)
            }
            WaitStatus::PtraceEvent(pid, ..) => (pid, None),
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            _ => continue,
        };
        resume(pid, signal, is_program);
    }
}

fn resume(pid: Pid, signal: Option<Signal>, is_program: bool) {
    let resumed = if is_program { ptrace::syscall(pid, signal) } else { ptrace::cont(pid, signal) };
    match resumed {
        // Another thread has ended the process.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("thread {pid} cannot go on: {error}"),
    }
}

#[cfg(target_arch = "x86_64")]
fn call(registers: &libc::user_regs_struct) -> Call {
    let r = registers;
    Call { number: r.orig_rax.cast_signed(), arguments: [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] }
}

#[cfg(target_arch = "x86_64")]
fn returned(registers: &libc::user_regs_struct) -> i64 {
    registers.rax.cast_signed()
}

#[cfg(target_arch = "aarch64")]
fn call(registers: &libc::user_regs_struct) -> Call {
    let [a, b, c, d, e, f, ..] = registers.regs;
    Call { number: registers.regs[8].cast_signed(), arguments: [a, b, c, d, e, f] }
}

#[cfg(target_arch = "aarch64")]
fn returned(registers: &libc::user_regs_struct) -> i64 {
    registers.regs[0].cast_signed()
}
