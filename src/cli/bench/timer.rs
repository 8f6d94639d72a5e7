//! A timer to the microsecond: the runtime's own has milliseconds, a hundred times what an answer takes.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// One timer of the kernel.
#[derive(Debug)]
pub(super) struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// A timer of the runtime that this is called in.
    #[expect(deprecated, reason = "its successor is unsafe, and what it asks holds: the timer owns its descriptor")]
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?).map(Self)
    }

    /// Waits so long.
    pub(super) async fn wait(&self, time: Duration) {
        let it_value = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            // Zero would never ring.
            tv_nsec: i64::from(time.subsec_nanos()).max(1),
        };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let set = timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value });
        set.expect("the timer is there, and the time is one");
        loop {
            let mut ready = self.0.readable().await.expect("the runtime runs");
            let rung = ready.try_io(|timer| {
                let mut count = [0; 8];
                rustix::io::read(timer, &mut count).map_err(|error: Errno| error.into())
            });
            if rung.is_ok() {
                return;
            }
        }
    }
}
