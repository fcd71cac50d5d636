//! A child process with a pipe from its standard output: `posix_spawnp(3)`, since `std::process` costs four
//! times as much flash.

use super::signal::{set_of, touched};
use super::{Errno, check, retry};
use core::ffi::c_int;
use core::mem::MaybeUninit;
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::vec::Vec;

/// A child's process id. Not killed or waited for when dropped: see [`Child::reap`].
#[derive(Debug, PartialEq, Eq)]
pub struct Child(libc::pid_t);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Starts `argv` (the first word is looked up in `PATH`) with no input, its output in the pipe whose
/// non-blocking read end is returned, and this process's standard error and environment.
pub fn spawn(argv: &[CString]) -> Result<(Child, OwnedFd), Errno> {
    let program = argv.first().ok_or(Errno::INVAL)?;
    let mut pointers: Vec<*mut libc::c_char> = argv.iter().map(|a| a.as_ptr().cast_mut()).collect();
    pointers.push(core::ptr::null_mut());
    let (read, write) = pipe()?;
    let mut pid: libc::pid_t = 0;
    let mut actions = MaybeUninit::<libc::posix_spawn_file_actions_t>::uninit();
    let mut attr = MaybeUninit::<libc::posix_spawnattr_t>::uninit();
    // SAFETY: both objects are initialised before use and destroyed after; every pointer outlives the call;
    // `pointers` ends in null; `environ` is not changed by this single-threaded program.
    let result = unsafe {
        errno(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
        if let Err(e) = errno(libc::posix_spawnattr_init(attr.as_mut_ptr())) {
            libc::posix_spawn_file_actions_destroy(actions.as_mut_ptr());
            return Err(e);
        }
        let prepare = || {
            let actions = actions.as_mut_ptr();
            errno(libc::posix_spawn_file_actions_addopen(
                actions,
                0,
                c"/dev/null".as_ptr(),
                libc::O_RDONLY,
                0,
            ))?;
            errno(libc::posix_spawn_file_actions_adddup2(actions, write.as_raw_fd(), 1))?;
            let attr = attr.as_mut_ptr();
            errno(libc::posix_spawnattr_setsigmask(attr, &set_of(&[])))?;
            errno(libc::posix_spawnattr_setsigdefault(attr, &touched()))?;
            errno(libc::posix_spawnattr_setflags(
                attr,
                (libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF) as _,
            ))?;
            errno(libc::posix_spawnp(
                &mut pid,
                program.as_ptr(),
                actions,
                attr,
                pointers.as_ptr(),
                environ.cast_const().cast(),
            ))
        };
        let result = { prepare }();
        libc::posix_spawnattr_destroy(attr.as_mut_ptr());
        libc::posix_spawn_file_actions_destroy(actions.as_mut_ptr());
        result
    };
    result.map(|()| (Child(pid), read))
}

unsafe extern "C" {
    static environ: *mut *mut libc::c_char;
}

impl Child {
    /// Asks the child to end (`SIGTERM`).
    pub fn terminate(&self) {
        // SAFETY: takes no pointer. The child is not waited for yet, so the id is still its own.
        unsafe { libc::kill(self.0, libc::SIGTERM) };
    }

    /// Takes the exit status, or gives the child back while it runs.
    pub fn reap(self) -> Result<Exit, Self> {
        let mut status: c_int = 0;
        // SAFETY: `status` outlives the call.
        match retry(|| unsafe { libc::waitpid(self.0, &mut status, libc::WNOHANG) as isize }) {
            Ok(0) => Err(self),
            Ok(_) if libc::WIFSIGNALED(status) => Ok(Exit::Signal(libc::WTERMSIG(status))),
            Ok(_) => Ok(Exit::Code(libc::WEXITSTATUS(status))),
            // Somebody else has waited for it, so that its status is lost.
            Err(_) => Ok(Exit::Code(-1)),
        }
    }
}

fn errno(result: c_int) -> Result<(), Errno> {
    if result == 0 { Ok(()) } else { Err(Errno(result)) }
}

/// A pipe: the non-blocking read end, the blocking write end. Neither is inherited.
fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut fds = [0; 2];
    // SAFETY: pipe2 fills both, and they are ours; F_SETFL takes no pointer.
    unsafe {
        check(libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC))?;
        let [read, write] = fds.map(|fd| OwnedFd::from_raw_fd(fd));
        check(libc::fcntl(read.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK))?;
        Ok((read, write))
    }
}
