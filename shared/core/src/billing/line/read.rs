//! Reading lines: by skimming, and by a parser where that is not sure.

use std::borrow::Cow;

use super::memo::Memo;
use super::skim::Skim;
use super::{CustomerLine, ItemLine, ItemLines, Metadata, Reference, SubscriptionLine, Text};
use crate::billing::Status;

/// Which members were read: a second of the same name is an error, which the parser reports.
#[derive(Default)]
struct Seen(u32);

impl Seen {
    fn once(&mut self, member: u32) -> Option<bool> {
        let bit = 1_u32.checked_shl(member)?;
        let new = self.0 & bit == 0;
        self.0 |= bit;
        new.then_some(true)
    }

    /// Whether the members with the first `count` numbers were read.
    const fn has_first(&self, count: u32) -> bool {
        self.0.trailing_ones() >= count
    }
}

impl<'a> CustomerLine<'a> {
    /// Reads a customer.
    pub(crate) fn read(text: &'a str, memo: &mut Memo) -> Result<Self, serde_json::Error> {
        Self::skimmed(text, memo).map_or_else(|| serde_json::from_str(text), Ok)
    }

    pub(super) fn skimmed(text: &'a str, memo: &mut Memo) -> Option<Self> {
        let mut line = Self::default();
        let mut seen = Seen::default();
        let mut skim = Skim::new(text, memo);
        skim.object(|name, value| match name {
            "id" => {
                line.id = Cow::Borrowed(value.text()?);
                seen.once(0)
            }
            "deleted" => {
                line.deleted = value.or_null(Skim::flag)?;
                seen.once(1)
            }
            "livemode" => {
                line.livemode = value.or_null(|value| value.flag().map(Some))?;
                seen.once(2)
            }
            "email" => {
                line.email = text_of(value)?;
                seen.once(3)
            }
            "metadata" => {
                line.metadata = value.or_null(metadata)?;
                seen.once(4)
            }
            _ => Some(false),
        })?;
        skim.end()?;
        seen.has_first(1).then_some(line)
    }
}

impl<'a> SubscriptionLine<'a> {
    /// Reads a subscription.
    pub(crate) fn read(text: &'a str, memo: &mut Memo) -> Result<Self, serde_json::Error> {
        Self::skimmed(text, memo).map_or_else(|| serde_json::from_str(text), Ok)
    }

    pub(super) fn skimmed(text: &'a str, memo: &mut Memo) -> Option<Self> {
        let mut line = Self::empty();
        let mut seen = Seen::default();
        let mut skim = Skim::new(text, memo);
        skim.object(|name, value| line.member(name, value, &mut seen))?;
        skim.end()?;
        seen.has_first(3).then_some(line)
    }

    /// Reads a member; answers whether it is wanted.
    fn member(&mut self, name: &str, value: &mut Skim<'a, '_>, seen: &mut Seen) -> Option<bool> {
        match name {
            "id" => {
                self.id = Cow::Borrowed(value.text()?);
                seen.once(0)
            }
            "customer" => {
                self.customer = reference(value)?;
                seen.once(1)
            }
            "status" => {
                self.status = Status::from(value.text()?);
                seen.once(2)
            }
            "created" => {
                self.created = value.or_null(Skim::number)?;
                seen.once(3)
            }
            "trial_end" => {
                self.trial_end = value.or_null(|value| value.number().map(Some))?;
                seen.once(4)
            }
            "ended_at" => {
                self.ended_at = value.or_null(|value| value.number().map(Some))?;
                seen.once(5)
            }
            "cancel_at" => {
                self.cancel_at = value.or_null(|value| value.number().map(Some))?;
                seen.once(6)
            }
            "cancel_at_period_end" => {
                self.cancel_at_period_end = value.or_null(Skim::flag)?;
                seen.once(7)
            }
            "current_period_start" => {
                self.current_period_start = value.or_null(|value| value.number().map(Some))?;
                seen.once(8)
            }
            "current_period_end" => {
                self.current_period_end = value.or_null(|value| value.number().map(Some))?;
                seen.once(9)
            }
            "items" => {
                self.items = value.or_null(|value| items(value).map(Some))?;
                seen.once(10)
            }
            "pause_collection" => {
                self.pause_collection = value.or_null(|value| value.value().map(Some))?;
                seen.once(11)
            }
            "latest_invoice" => {
                self.latest_invoice = if value.is_object() {
                    Some(value.value()?)
                } else {
                    value.or_null(Skim::text)?;
                    None
                };
                seen.once(12)
            }
            "livemode" => {
                self.livemode = value.or_null(|value| value.flag().map(Some))?;
                seen.once(13)
            }
            "discounts" => {
                self.discounts = value.or_null(Skim::value)?;
                seen.once(14)
            }
            "currency" => {
                self.currency = text_of(value)?;
                seen.once(15)
            }
            "discount" => {
                self.discount = value.or_null(|value| value.value().map(Some))?;
                seen.once(16)
            }
            _ => Some(false),
        }
    }

    const fn empty() -> Self {
        Self {
            id: Cow::Borrowed(""),
            customer: Reference(Cow::Borrowed("")),
            status: Status::Active,
            created: 0,
            trial_end: None,
            ended_at: None,
            cancel_at: None,
            cancel_at_period_end: false,
            current_period_start: None,
            current_period_end: None,
            items: None,
            pause_collection: None,
            latest_invoice: None,
            livemode: None,
            discounts: Vec::new(),
            currency: Text(None),
            discount: None,
        }
    }
}

fn text_of<'a>(value: &mut Skim<'a, '_>) -> Option<Text<'a>> {
    let text = value.or_null(|value| value.text().map(Some))?;
    Some(Text(text.map(Cow::Borrowed)))
}

fn metadata<'a>(value: &mut Skim<'a, '_>) -> Option<Metadata<'a>> {
    let mut pairs = Vec::new();
    value.object(|name, value| {
        pairs.push((Cow::Borrowed(name), Cow::Borrowed(value.text()?)));
        Some(true)
    })?;
    Some(Metadata(pairs))
}

fn reference<'a>(value: &mut Skim<'a, '_>) -> Option<Reference<'a>> {
    let id = if value.is_object() {
        value.id()?
    } else {
        value.or_null(Skim::text)?
    };
    Some(Reference(Cow::Borrowed(id)))
}

fn items<'a>(value: &mut Skim<'a, '_>) -> Option<ItemLines<'a>> {
    let (mut data, mut has_more) = (Vec::new(), false);
    let mut seen = Seen::default();
    value.object(|name, value| match name {
        "data" => {
            value.list(|value| {
                data.push(item(value)?);
                Some(())
            })?;
            seen.once(0)
        }
        "has_more" => {
            has_more = value.or_null(Skim::flag)?;
            seen.once(1)
        }
        _ => Some(false),
    })?;
    seen.has_first(1).then_some(ItemLines { data, has_more })
}

fn item<'a>(value: &mut Skim<'a, '_>) -> Option<ItemLine<'a>> {
    let mut item = ItemLine::default();
    let mut seen = Seen::default();
    value.object(|name, value| match name {
        "price" => {
            item.price = reference(value)?;
            seen.once(0)
        }
        "quantity" => {
            item.quantity = value.or_null(|value| value.number().map(Some))?;
            seen.once(1)
        }
        "current_period_start" => {
            item.current_period_start = value.or_null(|value| value.number().map(Some))?;
            seen.once(2)
        }
        "current_period_end" => {
            item.current_period_end = value.or_null(|value| value.number().map(Some))?;
            seen.once(3)
        }
        _ => Some(false),
    })?;
    Some(item)
}
