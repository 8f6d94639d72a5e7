//! The requests of one HTTP/2 connection, answered in its own task: what several of them have ready is then sent by one
//! write. As tasks of their own each would wake the connection, which would write what that one has.

use std::convert::Infallible;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use hyper::rt::Executor;
use parking_lot::Mutex;

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What hyper gives a connection's requests to. Only the connection's own task does, before it polls [`Calls`]: so
/// nobody is woken for a new one.
#[derive(Clone, Default)]
pub struct Taker(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Something came at some time: on HTTP/1.1 nothing ever does, and each look here is on the path of a debit.
    is_used: AtomicBool,
    new: Mutex<Vec<Call>>,
    rung: Mutex<Rung>,
}

/// Whom to look at next.
#[derive(Default)]
struct Rung {
    places: Vec<usize>,
    /// The connection's task.
    task: Option<Waker>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Taker {
    fn execute(&self, call: F) {
        self.0.is_used.store(true, Ordering::Relaxed);
        self.0.new.lock().push(Box::pin(call));
    }
}

/// How a call says that it can go on. It stays with its place: who has the place next is at worst looked at in vain.
struct Bell {
    place: usize,
    is_rung: AtomicBool,
    shared: Arc<Shared>,
}

impl Bell {
    fn ring(&self) {
        if self.is_rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut rung = self.shared.rung.lock();
        rung.places.push(self.place);
        // Whoever was the first has woken the task, which takes all.
        let task = if rung.places.len() == 1 { rung.task.clone() } else { None };
        drop(rung);
        task.inspect(Waker::wake_by_ref);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

struct Place {
    call: Option<Call>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// The requests that are being answered. Dropped, they are given up, as that of an HTTP/1.1 connection is.
#[derive(Default)]
pub struct Calls {
    shared: Arc<Shared>,
    places: Vec<Place>,
    free: Vec<usize>,
    /// Kept for its memory.
    due: Vec<usize>,
}

impl Calls {
    /// None yet; [`Taker`] takes what comes.
    pub fn taker(&self) -> Taker {
        Taker(Arc::clone(&self.shared))
    }

    /// Goes on with all that can; never ready.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Infallible> {
        if !self.shared.is_used.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let mut due = mem::take(&mut self.due);
        {
            let mut rung = self.shared.rung.lock();
            mem::swap(&mut rung.places, &mut due);
            if !rung.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
                rung.task = Some(cx.waker().clone());
            }
        }
        due.drain(..).for_each(|place| self.go_on(place));
        self.due = due;
        loop {
            let new = mem::take(&mut *self.shared.new.lock());
            if new.is_empty() {
                return Poll::Pending;
            }
            for call in new {
                let place = self.put(call);
                self.go_on(place);
            }
        }
    }

    /// Has all of them looked at, as time has passed.
    pub fn ring(&self) {
        self.places.iter().filter(|place| place.call.is_some()).for_each(|place| place.bell.ring());
    }

    fn put(&mut self, call: Call) -> usize {
        if let Some(place) = self.free.pop() {
            self.places[place].call = Some(call);
            return place;
        }
        let place = self.places.len();
        let bell = Arc::new(Bell { place, is_rung: AtomicBool::new(false), shared: Arc::clone(&self.shared) });
        self.places.push(Place { call: Some(call), waker: Waker::from(Arc::clone(&bell)), bell });
        place
    }

    fn go_on(&mut self, place: usize) {
        let Place { call, bell, waker } = &mut self.places[place];
        // What rings from here on is not lost.
        bell.is_rung.store(false, Ordering::Release);
        let Some(going) = call else { return };
        // A panic ends one call, not its neighbours on the connection. It is not looked at again, only dropped.
        let polled = catch_unwind(AssertUnwindSafe(|| going.as_mut().poll(&mut Context::from_waker(waker))));
        if polled.is_err() {
            tracing::error!("a call panicked; this is a defect of purser");
        }
        if !matches!(polled, Ok(Poll::Pending)) {
            *call = None;
            self.free.push(place);
        }
    }
}

/// A call knows [`Taker`]: one that nobody came to look at would keep itself for ever.
impl Drop for Calls {
    fn drop(&mut self) {
        drop(mem::take(&mut *self.shared.new.lock()));
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A call that ends once it is let go, and its waker meanwhile.
    fn call(is_let_go: &Arc<AtomicBool>, waker: &Arc<Mutex<Option<Waker>>>) -> impl Future<Output = ()> + use<> {
        let (is_let_go, waker) = (Arc::clone(is_let_go), Arc::clone(waker));
        poll_fn(move |cx| {
            *waker.lock() = Some(cx.waker().clone());
            if is_let_go.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    fn open(calls: &Calls) -> usize {
        calls.places.iter().filter(|place| place.call.is_some()).count()
    }

    #[test]
    fn calls_that_go_on_together_wake_the_connection_once_and_their_places_are_used_again() {
        let counter = Arc::new(Counter::default());
        let task = Waker::from(Arc::clone(&counter));
        let cx = &Context::from_waker(&task);
        let mut calls = Calls::default();
        let go = Arc::new(AtomicBool::new(false));
        let wakers: Vec<_> = (0..3).map(|_| Arc::new(Mutex::new(None::<Waker>))).collect();
        for round in 1..=2 {
            wakers.iter().for_each(|waker| calls.taker().execute(call(&go, waker)));
            assert!(calls.poll(cx).is_pending());
            assert_eq!((open(&calls), calls.places.len()), (3, 3));
            go.store(true, Ordering::Relaxed);
            wakers.iter().for_each(|waker| waker.lock().as_ref().expect("was looked at").wake_by_ref());
            assert_eq!(counter.0.load(Ordering::Relaxed), round);
            assert!(calls.poll(cx).is_pending());
            assert_eq!(open(&calls), 0);
            go.store(false, Ordering::Relaxed);
        }
        wakers[0].lock().as_ref().expect("was looked at").wake_by_ref();
        assert!(calls.poll(cx).is_pending(), "a bell of who is gone does no harm");
    }

    #[test]
    fn a_panic_ends_one_call() {
        let mut calls = Calls::default();
        calls.taker().execute(pending());
        calls.taker().execute(async { panic!("a defect for this test") });
        assert!(calls.poll(&Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(open(&calls), 1);
    }

    #[test]
    fn all_are_looked_at_when_time_has_passed() {
        let mut calls = Calls::default();
        let (go, waker) = (Arc::new(AtomicBool::new(false)), Arc::default());
        calls.taker().execute(call(&go, &waker));
        let cx = &Context::from_waker(Waker::noop());
        assert!(calls.poll(cx).is_pending());
        go.store(true, Ordering::Relaxed);
        assert!(calls.poll(cx).is_pending());
        assert_eq!(open(&calls), 1, "nothing rang");
        calls.ring();
        assert!(calls.poll(cx).is_pending());
        assert_eq!(open(&calls), 0);
    }
}
