//! Somebody sends what another person has proposed: an approval, if they count.

use super::{Agreed, Changes, Happens, HeldError, Settled, Wanted, held_facts};
use crate::held_change::{Given, HeldChange};
use crate::ids::UserId;
use crate::policy::{Approvals, Judgement, Question, VoteFacts};
use crate::ports::{Batch, EntryRef, PortError, PortErrorKind};
use crate::records::{Directory, RecordError, Versioned};
use crate::tenancy::Role;
use crate::usecases::facts::{self, resolution};
use crate::usecases::governed::{Governed, Terms};
use crate::usecases::grounds::{Grounds, Rows};
use crate::usecases::second_person::{NotSecond, Waiting};

/// Characters of a reason, at least.
const MIN_REASON: u64 = 10;

/// Index of the resolution in a run that holds nothing else.
const RESOLUTION: usize = 1;

impl Changes<'_> {
    /// Counts the approval; `None` where nobody can agree with whoever proposed it any more.
    pub(super) async fn agree(
        &self,
        wanted: &Wanted<'_>,
        (judged, grounds): (&Governed, &Grounds),
        waiting: &Versioned<HeldChange>,
        person: UserId,
    ) -> Result<Option<Settled>, HeldError> {
        let change = &waiting.value;
        let agreed = change.given.iter().map(|given| given.by);
        let people = Rows::of(wanted.place.workspace).people(agreed.chain([change.by]));
        let people = people.read(self.judging.state).await;
        let people = people.map_err(RecordError::from)?;
        // What rules asked for when it was proposed, and what they ask for now.
        let role = change.role.max(judged.judgement.considered.role);
        let needed = change.needed.max(judged.judgement.approvals);
        let second = Waiting {
            by: change.by,
            at: change.at,
            proposes: wanted.proposes,
            confirms: role,
        };
        let workspace = wanted.place.workspace;
        let (directory, principal) = (self.directory(), wanted.principal);
        let confirmed = second.confirmed_by(directory, workspace, principal, judged.at());
        let approver = match confirmed.await? {
            Ok(approver) => approver,
            Err(NotSecond::ProposerGone) => return Ok(None),
            Err(NotSecond::Own | NotSecond::TooSoon | NotSecond::Emptied) => {
                return Ok(Some(Settled::Waits(None)));
            }
            Err(why @ (NotSecond::Newcomer | NotSecond::Maker)) => {
                return Err(HeldError::NotSecond(why));
            }
        };
        let alone = person == change.by;
        if wanted.never == Some(person) && !alone {
            return Err(HeldError::NotSecond(NotSecond::Maker));
        }
        // The only person of a workspace is not several.
        let again = change.given.iter().any(|given| given.by == person);
        if again || alone && needed > 1 {
            return Ok(Some(Settled::Waits(None)));
        }
        let answer = if alone {
            None
        } else {
            Some(self.may_agree(wanted, change).await?)
        };
        let mut roles = self.still_count(wanted, change, role).await?;
        roles.extend(principal.role());
        let decision = waiting.decision().cloned().ok_or_else(|| {
            let why = "reading the decision of a change that waits";
            RecordError::from(PortError::new(PortErrorKind::Corrupt, why))
        })?;
        let count = u8::try_from(roles.len()).unwrap_or(u8::MAX);
        if count < needed {
            let given = (person, &decision, answer.as_ref());
            self.note(wanted, judged, waiting, given).await?;
            return Ok(Some(Settled::Waits(None)));
        }
        roles.sort_unstable();
        roles.dedup();
        let approvals = Approvals {
            count,
            roles,
            ..Approvals::default()
        };
        let hash = Some(change.digest.as_str());
        let judged = self.judge(wanted, Some(approvals), hash).await?;
        if !judged.allowed() {
            return Err(self.refuse(wanted, judged.of_its_own()).await);
        }
        Ok(Some(Settled::Happens(Box::new(Happens {
            judged,
            grounds: grounds.clone().and(people),
            agreed: Some(Agreed {
                change: change.clone(),
                decision,
                approver,
                judged: answer,
            }),
            row: Some(waiting.version),
        }))))
    }

    /// What the rules say of agreeing, which is an approval like any other. Their words are the change
    /// itself, which they send once more: none are asked for besides.
    async fn may_agree(
        &self,
        wanted: &Wanted<'_>,
        change: &HeldChange,
    ) -> Result<Judgement, HeldError> {
        let said = wanted.reason.unwrap_or_default().trim().chars().count();
        let said = u64::try_from(said).unwrap_or(u64::MAX);
        let question = Question::Vote(VoteFacts {
            approves: true,
            on: held_facts(change),
            reason_chars: said.max(MIN_REASON),
            digest_matches: true,
        });
        let terms = Terms::default();
        let (judging, principal) = (self.judging, wanted.principal);
        let judged = Box::pin(judging.at(wanted.place, principal, &question, terms)).await?;
        if judged.allowed() {
            Ok(judged.judgement)
        } else {
            Err(self.refuse(wanted, judged).await)
        }
    }

    /// The roles of those who have agreed earlier and still count.
    async fn still_count(
        &self,
        wanted: &Wanted<'_>,
        change: &HeldChange,
        least: Role,
    ) -> Result<Vec<Role>, HeldError> {
        let mut roles = Vec::new();
        for given in &change.given {
            let directory = self.directory();
            let member = directory.member(wanted.place.workspace, given.by).await?;
            let counts = member.filter(|it| it.value.counts(least, change.at));
            roles.extend(counts.map(|it| it.value.role));
        }
        Ok(roles)
    }

    /// Records an approval that is not enough yet.
    async fn note(
        &self,
        wanted: &Wanted<'_>,
        judged: &Governed,
        waiting: &Versioned<HeldChange>,
        (person, decision, answer): (UserId, &EntryRef, Option<&Judgement>),
    ) -> Result<(), HeldError> {
        let mut after = waiting.value.clone();
        after.decided = Some(decision.clone());
        after.given.push(Given {
            by: person,
            at: judged.at(),
        });
        let principal = wanted.principal;
        let approver = person.to_string();
        let vote = match answer {
            Some(judged) => facts::answer(decision, (&approver, true), principal, judged),
            None => resolution(decision, &approver, true, principal),
        };
        let drafts = judged.answered(principal, decision, vote, wanted.reason);
        let row = Directory::write(wanted.row.clone(), Some(waiting.version), &after)?;
        let row = row.until(after.expires_at).explained_by(RESOLUTION);
        let batch = Batch::of(drafts).with(row);
        self.evidence.append(wanted.stream, batch).await?;
        Ok(())
    }
}
