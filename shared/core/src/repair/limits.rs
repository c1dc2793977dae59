//! What one run may propose by itself: the blast-radius limits of the mapping.
//!
//! A person's own proposal is judged by policy alone; these limits bind the machine.

use crate::ids::IncidentId;
use crate::incident::{Incident, IncidentState};
use crate::money::Money;
use crate::run::HeldBack;

/// What a run proposes, and how much the limits keep from it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// To be proposed, in the order of the findings.
    pub proposed: Vec<IncidentId>,
    /// Could be repaired and is not proposed.
    pub held_back: HeldBack,
}

/// Chooses among the incidents that a run has opened. Those that it has proposed already, before
/// a worker died, count. `max_amount` is the sum of the money at risk per month of all that one run
/// proposes; what is in another currency cannot be added to it and is not proposed.
pub fn within(
    opened: &[Incident],
    breaker: bool,
    max_repairs: usize,
    max_amount: Option<&Money>,
) -> Selection {
    let mut selection = Selection::default();
    let mut left = max_amount.map(|limit| limit.minor);
    let mut places = max_repairs;
    let already = |incident: &&Incident| incident.state == IncidentState::Repairing;
    for incident in opened.iter().filter(already) {
        places = places.saturating_sub(1);
        left = left.map(|left| left.saturating_sub(at_risk(incident, max_amount).unwrap_or(0)));
    }
    for incident in opened.iter().filter(|it| can_be_proposed(it)) {
        if breaker {
            selection.held_back.breaker = selection.held_back.breaker.saturating_add(1);
            continue;
        }
        if places == 0 {
            selection.held_back.repairs = selection.held_back.repairs.saturating_add(1);
            continue;
        }
        let rest = match (left, at_risk(incident, max_amount)) {
            (None, _) => None,
            (Some(left), Some(amount)) if amount <= left => Some(left.saturating_sub(amount)),
            (Some(_), _) => {
                selection.held_back.amount = selection.held_back.amount.saturating_add(1);
                continue;
            }
        };
        left = rest;
        places = places.saturating_sub(1);
        selection.proposed.push(incident.id);
    }
    selection
}

fn can_be_proposed(incident: &Incident) -> bool {
    incident.state == IncidentState::Open
        && incident.finding.not_repairable.is_none()
        && !incident.finding.changes.is_empty()
}

/// Minor units of the limit's currency; `None` when some of it is in another one.
fn at_risk(incident: &Incident, limit: Option<&Money>) -> Option<i64> {
    let limit = limit?;
    incident.finding.amounts().try_fold(0_i64, |sum, money| {
        (money.currency == limit.currency).then(|| sum.saturating_add(money.minor.max(0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;
    use crate::ids::{ProjectId, RunId};
    use crate::reconcile::Finding;
    use crate::repair::ColumnChange;
    use crate::time::Timestamp;

    fn incident(name: u64, money: Money) -> Incident {
        let mut finding = Finding::mass_drift(1, 50).without_person("cus");
        finding.kind = crate::reconcile::FindingKind::PaidNoAccess;
        finding.subject = format!("cus_{name}");
        finding.not_repairable = None;
        finding.at_risk = Some(money);
        finding.changes = vec![ColumnChange {
            column: "plan".to_owned(),
            before: Cell::Null,
            after: Cell::Text("pro".to_owned()),
        }];
        let now = Timestamp::from_millis(1);
        Incident::open(ProjectId::from_bits(1), finding, RunId::new(now, 1), now)
    }

    fn usd(minor: i64) -> Money {
        Money::new(minor, "usd")
    }

    #[test]
    fn the_sum_of_a_run_stays_within_the_limit_and_the_rest_is_counted() {
        let opened = [
            incident(1, usd(600)),
            incident(2, usd(500)),
            incident(3, usd(400)),
        ];
        let chosen = within(&opened, false, 50, Some(&usd(1_000)));
        assert_eq!(chosen.proposed, [opened[0].id, opened[2].id]);
        assert_eq!(chosen.held_back.amount, 1);
    }

    #[test]
    fn another_currency_is_never_added_to_the_limit() {
        let opened = [incident(1, Money::new(1, "jpy"))];
        let chosen = within(&opened, false, 50, Some(&usd(1_000)));
        assert!(chosen.proposed.is_empty());
        assert_eq!(chosen.held_back.amount, 1);
        assert_eq!(within(&opened, false, 50, None).proposed.len(), 1);
    }

    #[test]
    fn the_number_of_repairs_counts_those_proposed_before_a_crash() {
        let mut opened = [
            incident(1, usd(900)),
            incident(2, usd(90)),
            incident(3, usd(20)),
        ];
        opened[0].state = IncidentState::Repairing;
        let chosen = within(&opened, false, 2, Some(&usd(1_000)));
        assert_eq!(chosen.proposed, [opened[1].id]);
        assert_eq!(chosen.held_back.repairs, 1);
        let chosen = within(&opened, false, 3, Some(&usd(1_000)));
        assert_eq!(chosen.proposed, [opened[1].id]);
        assert_eq!(chosen.held_back.amount, 1);
    }

    #[test]
    fn nothing_is_proposed_while_a_mass_drift_waits_and_what_is_ignored_never_is() {
        let mut opened = [incident(1, usd(1)), incident(2, usd(1))];
        opened[1].state = IncidentState::Ignored;
        let chosen = within(&opened, true, 50, None);
        assert!(chosen.proposed.is_empty());
        assert_eq!(chosen.held_back.breaker, 1);
        assert_eq!(within(&opened, false, 50, None).proposed, [opened[0].id]);
    }
}
