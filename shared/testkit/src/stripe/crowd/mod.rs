//! A business of any size: every object is made from its number when somebody asks for it.
//!
//! Only where each object stands in its list is kept (16 bytes). What is true of the small
//! [`super::Sample`] is true here: the same standings, plans, rows and kinds of drift. Drift comes by
//! rules, and what a check must find is known exactly.

mod list;
mod member;
mod template;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use counterfoil_core::time::Timestamp;

use super::drift::Expected;
use super::sample::DAY;
use super::shop::Shop;
use super::users::{AppUser, copy_line};
use member::Member;
use template::Template;

pub(super) use list::answer;

/// Where an object stands in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    created: i64,
    member: u32,
    /// Which of the member's objects.
    copy: u8,
}

/// A Stripe account and an app that belong together, of any size.
#[derive(Debug)]
pub struct Crowd {
    seed: u64,
    size: u32,
    now: i64,
    /// Newest first, like the other two.
    customers: Vec<Place>,
    subscriptions: Vec<Place>,
    open_invoices: Vec<Place>,
    templates: Mutex<BTreeMap<String, Arc<Template>>>,
}

impl Crowd {
    /// A business with `size` customers who signed up (and some that were made by accident) as of
    /// `now`. The same arguments give the same business.
    pub fn new(seed: u64, size: u32, now: Timestamp) -> Self {
        let mut crowd = Self {
            seed,
            size,
            now: now.as_secs(),
            customers: Vec::new(),
            subscriptions: Vec::new(),
            open_invoices: Vec::new(),
            templates: Mutex::default(),
        };
        for number in 0..size {
            let member = crowd.member(number);
            let place = |created, copy: usize| Place {
                created,
                member: number,
                copy: u8::try_from(copy).unwrap_or(u8::MAX),
            };
            for (copy, customer) in member.customers.iter().enumerate() {
                if !member.deleted {
                    crowd.customers.push(place(customer.created, copy));
                }
            }
            for (copy, spec) in member.subscriptions.iter().enumerate() {
                crowd.subscriptions.push(place(spec.created, copy));
                if member::is_open(spec) {
                    crowd.open_invoices.push(place(spec.period_start, copy));
                }
            }
        }
        for list in [
            &mut crowd.customers,
            &mut crowd.subscriptions,
            &mut crowd.open_invoices,
        ] {
            list.sort_unstable_by(|a, b| b.cmp(a));
        }
        crowd
    }

    /// When its shop began to sell.
    pub(super) const fn opened(&self) -> i64 {
        self.now - 900 * DAY
    }

    /// How many customers, subscriptions and open invoices Stripe lists.
    pub fn counts(&self) -> (usize, usize, usize) {
        (
            self.customers.len(),
            self.subscriptions.len(),
            self.open_invoices.len(),
        )
    }

    /// The id of the customer of this number. Numbers are below the size.
    pub fn customer_id(&self, number: u32) -> String {
        let member = self.member(number);
        member
            .customers
            .first()
            .map(|it| it.id.clone())
            .unwrap_or_default()
    }

    /// The app's rows in the order of the customers, and then those without one.
    pub fn users(&self) -> impl Iterator<Item = AppUser> {
        let own = (0..self.size).filter_map(|number| self.member(number).user);
        own.chain((0..self.size / 8).map(|number| self.stranger(number)))
    }

    /// The rows as data of [`super::COPY_USERS`], in pieces of some 100 KB.
    pub fn copy_data(&self) -> impl Iterator<Item = String> {
        let mut users = self.users().peekable();
        std::iter::from_fn(move || {
            users.peek()?;
            let mut piece = String::new();
            for user in users.by_ref().take(500) {
                copy_line(&user, &mut piece);
            }
            Some(piece)
        })
    }

    /// What a check must find, in the order of the customers.
    pub fn expected(&self) -> impl Iterator<Item = Expected> {
        (0..self.size).filter_map(|number| self.member(number).expected)
    }

    /// Copies the objects of one customer into a shop: whatever the shop knows comes before what is
    /// made, so changing it there changes it for everybody who asks. Creation and number of the
    /// objects stay.
    pub fn put_into(&self, number: u32, shop: &mut Shop) {
        let member = self.member(number);
        for customer in &member.customers {
            shop.put_customer(customer);
        }
        for spec in &member.subscriptions {
            shop.put_subscription(spec);
        }
    }

    fn member(&self, number: u32) -> Member {
        Member::new(self.seed, number, self.now)
    }

    fn stranger(&self, number: u32) -> AppUser {
        member::stranger(self.seed, self.size, number, self.now)
    }
}
