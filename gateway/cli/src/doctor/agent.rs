//! Evaluates the agent and its state in the kernel.

use gateway_api::view::{self, Role, Severity, Status};
use gateway_common::counters::{DropReason, Drops, PathCounter, Paths};
use gateway_datapath::load::Pinned;

use super::{
    check::Check::{Agent, AgentProblem, Drops as DropsCheck, Pins},
    finding::Finding,
};

/// Result of a request to the agent.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// State of the agent.
    Status(Box<Status>),
    /// No process listens on the socket.
    None,
    /// There was no answer in time.
    Hung,
    /// This process has no access to the socket, with the reason.
    Refused(String),
    /// The connection ended during the request.
    Broken(String),
    /// The reply is not understood, with the reason.
    Foreign(String),
}

/// Facts about the agent.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) answer: Answer,
    /// Pinned objects; `None`: this process may not read them.
    pub(super) pinned: Option<Pinned>,
    pub(super) pin_dir: String,
    /// Drop counters at the start of the doctor, and after all other probes.
    pub(super) drops: Option<(Drops, Drops)>,
    /// Path counters, likewise.
    pub(super) paths: Option<(Paths, Paths)>,
    /// True if the tunnel addresses move between nodes.
    pub(super) redundant: bool,
}

impl Answer {
    /// Returns the status, if the agent sent one.
    pub(super) fn status(&self) -> Option<&Status> {
        if let Self::Status(status) = self { Some(status) } else { None }
    }
}

pub(super) fn evaluate(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![agent(facts)];
    if let Some(status) = facts.answer.status() {
        findings.extend(problems(status));
    }
    findings.push(pins(facts));
    findings.extend(drops(facts));
    findings
}

fn agent(facts: &Facts) -> Finding {
    const LOG: &str = "`journalctl -u vtep-gateway` says why";
    match &facts.answer {
        Answer::Status(status) if status.version != env!("CARGO_PKG_VERSION") => Finding::warn(
            Agent,
            format!("the agent is of version {}, this command of {}", status.version, env!("CARGO_PKG_VERSION")),
            "`systemctl restart vtep-gateway` takes the new one; no packet is lost",
        ),
        Answer::Status(status) => {
            Finding::ok(Agent, format!("it runs, pid {}, up for {} s", status.pid, status.uptime_seconds))
        }
        Answer::None if facts.pinned.as_ref().is_none_or(|pinned| *pinned == Pinned::Nothing) => Finding::warn(
            Agent,
            "no agent runs, and nothing is programmed",
            format!("`systemctl start vtep-gateway`, or `vtep-gateway run`; if it does not stay, {LOG}"),
        ),
        Answer::None => Finding::bad(
            Agent,
            if facts.redundant {
                "no agent runs: this node can't be active"
            } else {
                "no agent runs: what is programmed is forwarded, and nothing new is resolved, learned or aged"
            },
            format!("`systemctl start vtep-gateway`, which loses no packet; {LOG} it ended"),
        ),
        Answer::Hung => Finding::bad(
            Agent,
            "the agent does not answer",
            format!(
                "is the machine overloaded, or the agent stopped (`systemctl status vtep-gateway`)? `systemctl restart vtep-gateway`; {LOG}"
            ),
        ),
        Answer::Refused(why) => {
            Finding::unknown(Agent, format!("the agent can't be asked: {why}"), "run the doctor as root")
        }
        Answer::Broken(why) => Finding::bad(
            Agent,
            format!("the agent does not stay: {why}"),
            format!("{LOG} it ends; `systemctl status vtep-gateway` shows whether it is started again and again"),
        ),
        Answer::Foreign(why) => Finding::unknown(
            Agent,
            format!("what the agent answers is not understood: {why}"),
            "it is of another version: `systemctl restart vtep-gateway` takes the one that is installed",
        ),
    }
}

fn problems(status: &Status) -> Vec<Finding> {
    if status.problems.is_empty() {
        return vec![Finding::ok(AgentProblem, "the agent knows of no problem")];
    }
    let findings = status.problems.iter().map(|problem| {
        let remedy =
            "docs/FAULTS.md lists what the agent can say, and what to do; `journalctl -u vtep-gateway` says since when";
        match problem.severity {
            Severity::Fault => Finding::bad(AgentProblem, &*problem.text, remedy),
            Severity::Warning => Finding::warn(AgentProblem, &*problem.text, remedy),
        }
    });
    findings.collect()
}

fn pins(facts: &Facts) -> Finding {
    let (dir, runs) = (&facts.pin_dir, facts.answer.status().is_some());
    let Some(pinned) = &facts.pinned else {
        return Finding::unknown(Pins, format!("{dir} can't be looked at"), "run the doctor as root");
    };
    match pinned {
        Pinned::Nothing if runs => Finding::bad(
            Pins,
            format!("an agent runs, and nothing is pinned under {dir}: it has been removed or covered"),
            "is another BPF file system mounted over it (`findmnt /sys/fs/bpf`)? Else `systemctl restart vtep-gateway` programs all \
             again",
        ),
        Pinned::Nothing => Finding::ok(Pins, format!("nothing is pinned under {dir} yet")),
        Pinned::Adoptable => Finding::ok(Pins, "maps are pinned, and of this version's layout"),
        Pinned::Other if runs => Finding::warn(
            Pins,
            "the maps are not of the layout of this version and configuration",
            "`systemctl restart vtep-gateway` replaces them; learned MACs are forgotten, and flooded until they send again",
        ),
        Pinned::Other => Finding::warn(
            Pins,
            "the maps that an earlier agent left are of another layout",
            "nothing: the next start replaces them; learned MACs are forgotten then",
        ),
        Pinned::Incomplete { missing } => Finding::bad(
            Pins,
            format!(
                "of the maps, {} missing under {dir}: {}",
                if missing.len() == 1 { "one is" } else { "some are" },
                missing.join(", ")
            ),
            "`systemctl restart vtep-gateway` makes all of them again; learned MACs are forgotten. Find out what removes files there",
        ),
    }
}

/// Returns true for reasons that are part of a node's duty and not a problem.
fn is_expected(reason: DropReason, facts: &Facts) -> bool {
    let active =
        facts.answer.status().is_some_and(|status| status.vrrp.iter().any(|router| router.role == Role::Active));
    match reason {
        DropReason::LinkLocal => true,
        DropReason::LeaseExpired | DropReason::StandbyArp => facts.redundant && !active,
        _ => false,
    }
}

fn drops(facts: &Facts) -> Vec<Finding> {
    let Some((before, after)) = &facts.drops else { return Vec::new() };
    let grown = DropReason::ALL.iter().filter_map(|reason| {
        let more = after.get(*reason).wrapping_sub(before.get(*reason));
        (more > 0 && !is_expected(*reason, facts)).then(|| {
            let remedy = view::remedy(reason.name()).unwrap_or_else(|| "docs/DROPS.md".to_owned());
            let what = format!("{more} more while the doctor looked. {}", reason.text());
            Finding::warn(DropsCheck, what, format!("{remedy} `vtep-gateway capture` shows such packets"))
                .about(reason.name())
        })
    });
    let grown: Vec<Finding> = grown.chain(lost(facts)).collect();
    if grown.is_empty() {
        vec![Finding::ok(DropsCheck, "no counter of drops grew while the doctor looked")]
    } else {
        grown
    }
}

/// Reports frames that were lost after XDP had redirected them.
fn lost(facts: &Facts) -> Vec<Finding> {
    let Some((before, after)) = &facts.paths else { return Vec::new() };
    let grown = [PathCounter::RedirectRefused, PathCounter::RedirectFull].into_iter().filter_map(|which| {
        let more = after.get(which).wrapping_sub(before.get(which));
        let what = format!("{more} more while the doctor looked. {}", which.text());
        let remedy = "`vtep-gateway status --json` says which interface loses them (redirect_refused, redirect_full); docs/DROPS.md \
                      says what helps";
        (more > 0).then(|| Finding::warn(DropsCheck, what, remedy).about(which.name()))
    });
    grown.collect()
}

#[cfg(test)]
mod tests {
    use gateway_api::view::Problem;

    use super::*;
    use crate::doctor::{Check, Mark};

    fn facts(answer: Answer, pinned: Pinned) -> Facts {
        Facts {
            answer,
            pinned: Some(pinned),
            pin_dir: "/sys/fs/bpf/x".to_owned(),
            drops: None,
            paths: None,
            redundant: false,
        }
    }

    fn running() -> Answer {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Answer::Status(Box::new(Status { version, problems: vec![], ..view::samples::healthy() }))
    }

    fn found(facts: &Facts) -> Vec<(Check, Mark)> {
        evaluate(facts).iter().filter(|one| one.mark != Mark::Ok).map(|one| (one.check, one.mark)).collect()
    }

    #[test]
    fn an_agent_with_its_maps_is_fine() {
        assert_eq!(found(&facts(running(), Pinned::Adoptable)), []);
    }

    #[test]
    fn no_agent_is_bad_only_where_one_was() {
        assert_eq!(found(&facts(Answer::None, Pinned::Nothing)), [(Agent, Mark::Warn)]);
        assert_eq!(found(&facts(Answer::None, Pinned::Adoptable)), [(Agent, Mark::Bad)]);
        assert_eq!(found(&facts(Answer::Hung, Pinned::Adoptable)), [(Agent, Mark::Bad)]);
        assert_eq!(found(&facts(Answer::Refused("no".to_owned()), Pinned::Adoptable)), [(Agent, Mark::Unknown)]);
    }

    #[test]
    fn maps_that_are_gone_are_bad_and_others_a_warning() {
        let missing = Pinned::Incomplete { missing: vec!["fdb"] };
        for (pinned, mark) in [(Pinned::Nothing, Mark::Bad), (missing, Mark::Bad), (Pinned::Other, Mark::Warn)] {
            assert_eq!(found(&facts(running(), pinned)), [(Pins, mark)]);
        }
    }

    #[test]
    fn problems_of_the_agent_are_reported_unchanged() {
        let problems = vec![Problem::fault("a"), Problem::warning("b")];
        let status = Status { problems, version: env!("CARGO_PKG_VERSION").to_owned(), ..view::samples::healthy() };
        let found = found(&facts(Answer::Status(Box::new(status)), Pinned::Adoptable));
        assert_eq!(found, [(AgentProblem, Mark::Bad), (AgentProblem, Mark::Warn)]);
    }

    #[test]
    fn drops_that_grow_come_with_their_remedy() {
        let (before, after) = (Drops { too_big: 3, ..Drops::default() }, Drops { too_big: 5, ..Drops::default() });
        let facts = Facts { drops: Some((before, after)), ..facts(running(), Pinned::Adoptable) };
        let findings = evaluate(&facts);
        let grown = findings.iter().find(|one| one.check == DropsCheck).unwrap();
        assert_eq!((grown.mark, grown.subject.as_deref()), (Mark::Warn, Some("too_big")));
        assert!(grown.what.starts_with("2 more") && grown.remedy.as_ref().unwrap().contains("MTU"), "{grown:?}");
    }

    #[test]
    fn frames_lost_after_a_redirect_are_reported() {
        let lost = Paths { redirect_refused: 7, ..Paths::default() };
        let drops = Some((Drops::default(), Drops::default()));
        let facts = Facts { drops, paths: Some((Paths::default(), lost)), ..facts(running(), Pinned::Adoptable) };
        let findings = evaluate(&facts);
        let grown = findings.iter().find(|one| one.check == DropsCheck).unwrap();
        assert_eq!((grown.mark, grown.subject.as_deref()), (Mark::Warn, Some("redirect_refused")));
        assert!(grown.what.starts_with("7 more"), "{grown:?}");
    }

    #[test]
    fn a_standby_s_duty_is_no_trouble() {
        let drops = Some((Drops::default(), Drops { lease_expired: 5, standby_arp: 1, ..Drops::default() }));
        let standby = Facts { drops, redundant: true, ..facts(Answer::None, Pinned::Nothing) };
        assert_eq!(found(&standby), [(Agent, Mark::Warn)]);
        let alone = Facts { redundant: false, ..standby };
        assert_eq!(found(&alone), [(Agent, Mark::Warn), (DropsCheck, Mark::Warn), (DropsCheck, Mark::Warn)]);
    }
}
