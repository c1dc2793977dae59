//! The list of tools, in its one order (`tests/e2e` pins it).

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use counterfoil_lambda::governed::{PreviewBody, RunBody};
use counterfoil_lambda::views;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};

use super::{exports, reads, repairs, runs};
use crate::schema::{input, once, output};

/// What a tool does to the world. Clients need not believe it: the policy decides.
#[derive(Clone, Copy)]
enum Sort {
    /// It looks.
    Reads,
    /// It has something done that a person can still stop.
    Acts,
    /// It writes to the app's database.
    Writes,
}

impl Sort {
    fn annotations(self, title: &str) -> ToolAnnotations {
        let annotations = ToolAnnotations::with_title(title).open_world(false);
        match self {
            Self::Reads => annotations.read_only(true),
            Self::Acts => annotations
                .read_only(false)
                .destructive(false)
                .idempotent(true),
            Self::Writes => annotations
                .read_only(false)
                .destructive(true)
                .idempotent(true),
        }
    }
}

static LIST: LazyLock<Vec<Tool>> = LazyLock::new(made);

/// Every tool. Made when it is first asked for: a start pays nothing for it.
pub(crate) fn list() -> &'static Vec<Tool> {
    &LIST
}

fn tool(
    (name, title): (&'static str, &str),
    sort: Sort,
    (takes, gives): (Arc<JsonObject>, Arc<JsonObject>),
    description: &'static str,
) -> Tool {
    Tool::new(name, Cow::Borrowed(description), takes)
        .with_title(title)
        .with_raw_output_schema(gives)
        .with_annotations(sort.annotations(title))
}

fn made() -> Vec<Tool> {
    let mut tools = reading();
    tools.extend(acting());
    tools
}

fn reading() -> Vec<Tool> {
    use Sort::Reads;
    vec![
        tool(
            ("incidents_list", "List incidents"),
            Reads,
            (input::<reads::Listed>(), output::<views::Incidents>()),
            "Differences between what Stripe promises and what the app grants, newest first.",
        ),
        tool(
            ("incident_get", "Read an incident"),
            Reads,
            (input::<reads::OfIncident>(), output::<views::Incident>()),
            "One difference: what is promised, what is granted, and what it costs per month.",
        ),
        tool(
            ("customer_ledger", "Read a customer's ledger"),
            Reads,
            (input::<reads::OfCustomer>(), output::<views::Ledger>()),
            "Every recorded entry that concerns one customer, newest first.",
        ),
        tool(
            ("run_get", "Read a run"),
            Reads,
            (input::<reads::OfRun>(), output::<views::Run>()),
            "A check, a scan or a repair with the entries that record it.",
        ),
        tool(
            ("decision_get", "Read a decision"),
            Reads,
            (input::<runs::OfDecision>(), output::<runs::Decided>()),
            "What the policy decided, about whatever was judged in the project, with the rule and its sentence.",
        ),
        tool(
            ("action_status", "Read an action"),
            Reads,
            (input::<repairs::OfAction>(), output::<repairs::Judged>()),
            "Where a proposed action is: held for approvals, allowed, executed, refused; expired once it must \
             not be begun any more, because its time is over or its run has ended.",
        ),
        tool(
            ("policy_explain", "Ask what would be decided"),
            Reads,
            (input::<PreviewBody>(), output::<runs::Decided>()),
            "What the policy would decide about an action of a flow now. Nothing is proposed, and nothing \
             can come of the answer. What it would say of a repair is learnt by proposing it.",
        ),
    ]
}

fn acting() -> Vec<Tool> {
    use Sort::{Acts, Writes};
    vec![
        tool(
            ("check_start", "Start a check"),
            Acts,
            (input::<reads::Check>(), output::<reads::CheckStarted>()),
            "Asks for a fresh look at one customer, or at all of them. The run opens in a moment.",
        ),
        tool(
            ("run_start", "Open a run"),
            Acts,
            (once::<RunBody>(), output::<views::GovernedRun>()),
            "Opens a run for what you are about to do yourself. Propose each action in it before you do it.",
        ),
        tool(
            ("action_propose", "Propose an action of a run"),
            Acts,
            (once::<runs::Proposal>(), output::<repairs::Judged>()),
            "Proposes an action of an open run. The policy allows it, holds it for people, or denies it; each \
             is a result. Do it only while the state is allowed or approved: read it again if time has passed.",
        ),
        tool(
            ("action_result", "Tell what became of an action"),
            Acts,
            (once::<runs::Outcome>(), output::<repairs::Judged>()),
            "Records that an action of your run was done, or failed. It must have been allowed or approved.",
        ),
        tool(
            ("action_cancel", "Withdraw an action"),
            Acts,
            (input::<repairs::ToAction>(), output::<repairs::Judged>()),
            "Withdraws an action that waits for people, or that may be done and was not begun.",
        ),
        tool(
            ("run_complete", "Complete a run"),
            Acts,
            (once::<runs::Completed>(), output::<views::GovernedRun>()),
            "Completes a run whose actions have all ended.",
        ),
        tool(
            ("repair_propose", "Propose a repair"),
            Acts,
            (input::<repairs::Propose>(), output::<repairs::Judged>()),
            "Proposes the repair of an incident. The policy allows it, holds it for people, or denies it; \
             each is a result.",
        ),
        tool(
            ("repair_execute", "Execute a repair"),
            Writes,
            (input::<repairs::ToAction>(), output::<repairs::Judged>()),
            "Executes by its id a repair that is allowed or was approved. It takes no values: what is \
             written was fixed when it was proposed.",
        ),
        tool(
            ("evidence_export_request", "Ask for evidence"),
            Acts,
            (input::<exports::Wanted>(), output::<exports::Asked>()),
            "Asks for a signed evidence package. The credential's owner must have the right to export.",
        ),
    ]
}
