//! What system calls mean to files.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::libc;

use super::trace::{Call, Thread};

/// A call, as far as it can concern files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It changes nothing, whatever it is called with.
    Nothing,
    Open {
        path: PathBuf,
        flags: i32,
    },
    /// Without a position: where the descriptor stands.
    Write {
        descriptor: u64,
        position: Option<u64>,
        data: Vec<u8>,
    },
    Read {
        descriptor: u64,
        buffer: u64,
    },
    SetLength {
        descriptor: u64,
        length: u64,
    },
    /// Reserves space behind the end, and changes no byte.
    Reserve {
        descriptor: u64,
    },
    SetModified {
        descriptor: u64,
        time: SystemTime,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    MakeDirectory {
        path: PathBuf,
    },
    Sync {
        descriptor: u64,
        data_only: bool,
    },
    /// Its bytes can be changed by writing to memory.
    Share {
        descriptor: u64,
    },
    /// It may change files, and nobody here knows how.
    Unknown,
}

const AT_FDCWD: u64 = libc::AT_FDCWD as u64;

/// The older calls are the newer ones with something left out.
#[cfg(target_arch = "x86_64")]
fn modern(call: Call) -> Call {
    let [a, b, c, ..] = call.arguments;
    let (number, arguments) = match call.number {
        libc::SYS_open => (libc::SYS_openat, [AT_FDCWD, a, b, c, 0, 0]),
        libc::SYS_creat => {
            let flags = libc::O_CREAT | libc::O_TRUNC | libc::O_WRONLY;
            (libc::SYS_openat, [AT_FDCWD, a, flags as u64, b, 0, 0])
        }
        libc::SYS_rename => (libc::SYS_renameat2, [AT_FDCWD, a, AT_FDCWD, b, 0, 0]),
        libc::SYS_link => (libc::SYS_linkat, [AT_FDCWD, a, AT_FDCWD, b, 0, 0]),
        libc::SYS_unlink => (libc::SYS_unlinkat, [AT_FDCWD, a, 0, 0, 0, 0]),
        libc::SYS_mkdir => (libc::SYS_mkdirat, [AT_FDCWD, a, b, 0, 0, 0]),
        number => (number, call.arguments),
    };
    Call { number, arguments }
}

#[cfg(not(target_arch = "x86_64"))]
fn modern(call: Call) -> Call {
    call
}

/// What the call would do if it succeeded; `None` if the thread is gone.
pub(crate) fn meaning(thread: Thread, call: Call) -> Option<Meaning> {
    let Call { number, arguments: [a, b, c, d, e, f] } = modern(call);
    let meaning = match number {
        libc::SYS_openat => Meaning::Open { path: path(thread, a, b)?, flags: c as i32 },
        libc::SYS_write => {
            Meaning::Write { descriptor: a, position: None, data: thread.read(b, c as usize)? }
        }
        libc::SYS_pwrite64 => {
            Meaning::Write { descriptor: a, position: Some(d), data: thread.read(b, c as usize)? }
        }
        libc::SYS_writev => Meaning::Write { descriptor: a, position: None, data: gathered(thread, b, c)? },
        libc::SYS_pwritev => {
            Meaning::Write { descriptor: a, position: Some(d), data: gathered(thread, b, c)? }
        }
        libc::SYS_pwritev2 if f == 0 && d.cast_signed() >= 0 => {
            Meaning::Write { descriptor: a, position: Some(d), data: gathered(thread, b, c)? }
        }
        libc::SYS_read => Meaning::Read { descriptor: a, buffer: b },
        libc::SYS_ftruncate => Meaning::SetLength { descriptor: a, length: b },
        libc::SYS_fallocate if b as i32 == libc::FALLOC_FL_KEEP_SIZE => Meaning::Reserve { descriptor: a },
        libc::SYS_utimensat if b == 0 => match modified(&thread.read(c + 16, 16)?) {
            Some(time) => Meaning::SetModified { descriptor: a, time },
            None => Meaning::Unknown,
        },
        libc::SYS_renameat => Meaning::Rename { from: path(thread, a, b)?, to: path(thread, c, d)? },
        libc::SYS_renameat2 if e & !u64::from(libc::RENAME_NOREPLACE) == 0 => {
            Meaning::Rename { from: path(thread, a, b)?, to: path(thread, c, d)? }
        }
        libc::SYS_linkat if e == 0 => Meaning::Link { from: path(thread, a, b)?, to: path(thread, c, d)? },
        libc::SYS_unlinkat if c == 0 => Meaning::Remove { path: path(thread, a, b)? },
        libc::SYS_mkdirat => Meaning::MakeDirectory { path: path(thread, a, b)? },
        libc::SYS_fsync => Meaning::Sync { descriptor: a, data_only: false },
        libc::SYS_fdatasync => Meaning::Sync { descriptor: a, data_only: true },
        libc::SYS_mmap
            if d as i32 & libc::MAP_ANONYMOUS == 0 && d as i32 & libc::MAP_TYPE == libc::MAP_SHARED =>
        {
            Meaning::Share { descriptor: e }
        }
        libc::SYS_mmap => Meaning::Nothing,
        number if HARMLESS.contains(&number) || is_old_and_harmless(number) => Meaning::Nothing,
        _ => Meaning::Unknown,
    };
    Some(meaning)
}

/// The path of a call `…at(directory, name)`. Nothing here goes through links or upwards.
fn path(thread: Thread, directory: u64, name: u64) -> Option<PathBuf> {
    let name = thread.text(name)?;
    let directory = match directory as i32 {
        libc::AT_FDCWD => thread.directory()?,
        _ if Path::new(&name).is_absolute() => PathBuf::new(),
        _ => std::fs::read_link(thread.descriptor(directory)).ok()?,
    };
    Some(directory.join(name).components().collect())
}

fn gathered(thread: Thread, pieces: u64, count: u64) -> Option<Vec<u8>> {
    let table = thread.read(pieces, count as usize * 16)?;
    let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap());
    let piece = |entry: &[u8]| thread.read(number(&entry[..8]), number(&entry[8..]) as usize);
    Some(table.chunks(16).map(piece).collect::<Option<Vec<_>>>()?.concat())
}

/// The second of two times, that of modification; `None` if it is not a time.
fn modified(bytes: &[u8]) -> Option<SystemTime> {
    let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap());
    let (seconds, nanoseconds) = (number(&bytes[..8]), u32::try_from(number(&bytes[8..])).ok()?);
    (nanoseconds < 1_000_000_000).then(|| UNIX_EPOCH + Duration::new(seconds, nanoseconds))
}

/// Calls that change no file: neither bytes nor length, names nor times. `sync_file_range` is among them: it says
/// nothing of the disk's own cache, nor of the file's length, so it guarantees nothing.
const HARMLESS: &[i64] = &[
    libc::SYS_sync_file_range,
    // Looks.
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    // Descriptors, locks, rights.
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_ioctl,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_umask,
    // The network.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    // Processes, threads, signals.
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_kill,
    libc::SYS_tgkill,
    libc::SYS_tkill,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getpgid,
    libc::SYS_setpgid,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_getcpu,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
];

#[cfg(target_arch = "x86_64")]
fn is_old_and_harmless(number: i64) -> bool {
    const OLD: &[i64] = &[
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_access,
        libc::SYS_readlink,
        libc::SYS_getdents,
        libc::SYS_poll,
        libc::SYS_select,
        libc::SYS_epoll_create,
        libc::SYS_epoll_wait,
        libc::SYS_eventfd,
        libc::SYS_pipe,
        libc::SYS_dup2,
        libc::SYS_fork,
        libc::SYS_vfork,
        libc::SYS_arch_prctl,
        libc::SYS_time,
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_accept,
        libc::SYS_getrlimit,
        libc::SYS_getpgrp,
    ];
    OLD.contains(&number)
}

#[cfg(not(target_arch = "x86_64"))]
fn is_old_and_harmless(_number: i64) -> bool {
    false
}
