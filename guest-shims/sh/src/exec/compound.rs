//! Compound commands: conditions, loops, `case` (XCU 2.9.4).

use crate::state::{Done, Flow, Shell};
use kiln_sh_syntax::{Compound, List};

impl Shell {
    pub(super) fn compound(&mut self, body: &Compound) -> Done {
        match body {
            Compound::Brace(list) | Compound::Subshell(list) => self.list(list),
            Compound::If { arms, otherwise } => {
                for (condition, then) in arms {
                    if self.testing(true, |shell| shell.list(condition))? == 0 {
                        return self.list(then);
                    }
                }
                match otherwise {
                    Some(list) => self.list(list),
                    None => {
                        self.status = 0;
                        Ok(0)
                    }
                }
            }
            Compound::While { until, condition, body } => self.repeat(*until, condition, body),
            Compound::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.fields(words)?,
                    None => self.positional.clone(),
                };
                let mut status = 0;
                for value in values {
                    if let Err(why) = self.set(name, value) {
                        return self.fatal(&why);
                    }
                    match self.in_loop(|shell| shell.list(body)) {
                        Ok(code) => status = code,
                        Err(Flow::Continue(0)) => status = self.status,
                        Err(Flow::Break(0)) => {
                            status = self.status;
                            break;
                        }
                        Err(flow) => return Err(flow),
                    }
                }
                self.status = status;
                Ok(status)
            }
            Compound::Case { word, arms } => {
                let value = self.text(word)?;
                for arm in arms {
                    for pattern in &arm.patterns {
                        if self.pattern(pattern)?.matches(&value) {
                            if arm.body.is_empty() {
                                self.status = 0;
                            }
                            return self.list(&arm.body);
                        }
                    }
                }
                self.status = 0;
                Ok(0)
            }
        }
    }

    pub(super) fn repeat(&mut self, until: bool, condition: &List, body: &List) -> Done {
        let mut status = 0;
        loop {
            let turn = self.in_loop(|shell| {
                let code = shell.testing(true, |shell| shell.list(condition))?;
                if (code == 0) == until {
                    return Err(Flow::Break(0));
                }
                shell.list(body)
            });
            match turn {
                Ok(code) => status = code,
                Err(Flow::Continue(0)) => status = 0,
                Err(Flow::Break(0)) => {
                    self.status = status;
                    return Ok(status);
                }
                Err(flow) => return Err(flow),
            }
        }
    }

    /// One turn of a loop; flows that concern outer loops come out one level lower.
    pub(super) fn in_loop(&mut self, work: impl FnOnce(&mut Self) -> Done) -> Done {
        self.loops += 1;
        let done = work(self);
        self.loops -= 1;
        match done {
            Err(Flow::Break(levels @ 2..)) => Err(Flow::Break(levels - 1)),
            Err(Flow::Break(_)) => Err(Flow::Break(0)),
            Err(Flow::Continue(levels @ 2..)) => Err(Flow::Continue(levels - 1)),
            Err(Flow::Continue(_)) => Err(Flow::Continue(0)),
            other => other,
        }
    }
}
