//! The rows of the decision table, by name.

use serde::{Deserialize, Serialize};

macro_rules! rules {
    ($($variant:ident $name:literal $sentence:literal;)*) => {
        /// The rule that led to a judgement or a finding.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Rule {
            $(#[doc = $sentence] $variant,)*
        }

        impl Rule {
            /// Its name in findings and evidence.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it says, as a sentence for people.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }
    };
}

rules! {
    Active "active" "An active subscription grants.";
    Trialing "trialing" "A running trial grants.";
    TrialOver "trial_over" "The trial has ended, whatever the status says.";
    PastDueGrace "past_due_grace" "An unpaid renewal keeps access during the grace time.";
    PastDueOver "past_due_over" "The grace time of an unpaid renewal has passed.";
    UnpaidGrants "unpaid_grants" "The mapping lets unpaid subscriptions grant.";
    Unpaid "unpaid" "Stripe has given up collecting.";
    CanceledLater "canceled_later" "A canceled subscription grants until its end.";
    Canceled "canceled" "The subscription has ended.";
    CancelAtPassed "cancel_at_passed" "The agreed end has passed.";
    Incomplete "incomplete" "The first payment is outstanding.";
    IncompleteExpired "incomplete_expired" "The first payment never came.";
    PausedGrants "paused_grants" "The mapping lets paused subscriptions grant.";
    Paused "paused" "The subscription is paused.";
    CollectionPaused "collection_paused" "The mapping revokes while payments are not collected.";
    UnknownState "unknown_state" "The state has no rule; nothing is concluded from it.";
    ItemsIncomplete "items_incomplete" "Not all items of the subscription were read.";
    WrongMode "wrong_mode" "A test object never backs live access, nor the reverse.";
    CustomerDeleted "customer_deleted" "Stripe ends everything of a deleted customer.";
    NoSubscription "no_subscription" "The customer has no subscription.";
    NoCustomer "no_customer" "No Stripe customer belongs to the row.";
    LinkUnknown "link_unknown" "The stored customer id is unknown to this Stripe account.";
    UnmappedPrice "unmapped_price" "A price without a rule promises something unknown, never nothing.";
    UnknownCurrency "unknown_currency" "A price in an unknown currency promises something of unknown worth.";
    NoRow "no_row" "A paying customer has no row in the app.";
    SeveralCustomers "several_customers" "Several Stripe customers belong to one row.";
    SeveralRows "several_rows" "The customer's best key hits several rows.";
    DriftLimit "drift_limit" "More customers differ than the mapping's limit.";
    KeysDisagree "keys_disagree" "The customer's keys point to different rows.";
}
