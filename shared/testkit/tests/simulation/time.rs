//! Simulated time: tasks that only ever wait for a time, polled in the order of those times.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct Inner {
    now: u64,
    /// Breaks ties between equal times.
    turn: u64,
    tasks: BTreeMap<(u64, u64), Task>,
    /// Set by the task that is polled: when to poll it again.
    next: Option<u64>,
}

/// The time, ms, and everything that waits for it.
#[derive(Clone, Default)]
pub(super) struct Time(Arc<Mutex<Inner>>);

impl Time {
    pub(super) fn now(&self) -> u64 {
        self.0.lock().unwrap().now
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap().wait(0, Box::pin(task));
    }

    pub(super) fn sleep(&self, ms: u64) -> Sleep {
        Sleep {
            time: self.clone(),
            until: self.now() + ms,
        }
    }

    /// Until no task is left.
    pub(super) fn run(&self) {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let mut inner = self.0.lock().unwrap();
            let Some(((at, _), mut task)) = inner.tasks.pop_first() else {
                return;
            };
            inner.now = at;
            drop(inner);
            if task.as_mut().poll(&mut context).is_pending() {
                let mut inner = self.0.lock().unwrap();
                let until = inner.next.take().expect("a task waits for a time");
                let ms = until - inner.now;
                inner.wait(ms, task);
            }
        }
    }
}

impl Inner {
    fn wait(&mut self, ms: u64, task: Task) {
        self.turn += 1;
        self.tasks.insert((self.now + ms, self.turn), task);
    }
}

pub(super) struct Sleep {
    time: Time,
    until: u64,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.time.0.lock().unwrap();
        if inner.now >= self.until {
            return Poll::Ready(());
        }
        inner.next = Some(self.until);
        Poll::Pending
    }
}

/// A process that is gone after it has waited so many times, or when it is said to be dead.
pub(super) struct Mortal<F> {
    pub(super) life: Pin<Box<F>>,
    pub(super) waits: u64,
    pub(super) dead: Arc<AtomicBool>,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.waits == 0 || self.dead.load(Ordering::SeqCst) {
            return Poll::Ready(None);
        }
        self.waits -= 1;
        self.life.as_mut().poll(context).map(Some)
    }
}

#[test]
fn tasks_run_in_the_order_of_their_times_and_a_mortal_one_ends_early() {
    let time = Time::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for ms in [30, 10, 20] {
        let (time, seen) = (time.clone(), Arc::clone(&seen));
        let slow = {
            let time = time.clone();
            async move {
                time.sleep(ms).await;
                time.sleep(1_000).await;
            }
        };
        let (life, dead) = (Box::pin(slow), Arc::default());
        time.clone().spawn(async move {
            assert_eq!(
                Mortal {
                    life,
                    waits: 2,
                    dead
                }
                .await,
                None
            );
            seen.lock().unwrap().push((ms, time.now()));
        });
    }
    time.run();
    assert_eq!(
        *seen.lock().unwrap(),
        [(10, 1_010), (20, 1_020), (30, 1_030)]
    );
}
