//! Which variables are arrays: those passed to a parameter that is one, too.

use crate::ast::{Expr, Program, Rule, Source, Stmt, Target, Var};

/// A variable passed as an argument: where (the function that calls, if any), what, and to which
/// parameter of which function.
struct Passed {
    within: Option<usize>,
    variable: Var,
    callee: usize,
    parameter: usize,
}

pub(super) fn infer(program: &mut Program) {
    let mut found = Vec::new();
    for (rule, action) in &program.rules {
        match rule {
            Rule::When(when) => expression(when, None, &mut found),
            Rule::Range(from, to, _) => {
                expression(from, None, &mut found);
                expression(to, None, &mut found);
            }
            _ => {}
        }
        if let Some(action) = action {
            statement(action, None, &mut found);
        }
    }
    for (index, function) in program.functions.iter().enumerate() {
        if let Some(body) = &function.body {
            statement(body, Some(index), &mut found);
        }
    }
    // Each round marks at least one more.
    loop {
        let mut changed = false;
        for passed in &found {
            let is_array = program.functions[passed.callee].arrays.get(passed.parameter);
            if is_array != Some(&true) {
                continue;
            }
            let mark = match (passed.variable, passed.within) {
                (Var::Global(index), _) => program.arrays.get_mut(index),
                (Var::Local(index), Some(function)) => {
                    program.functions[function].arrays.get_mut(index)
                }
                (Var::Local(_), None) => None,
            };
            changed |= mark.is_some_and(|mark| !std::mem::replace(mark, true));
        }
        if !changed {
            return;
        }
    }
}

fn statement(stmt: &Stmt, within: Option<usize>, found: &mut Vec<Passed>) {
    let mut some = |expr: &Expr| expression(expr, within, found);
    match stmt {
        Stmt::Expr(expr) | Stmt::Exit(Some(expr)) | Stmt::Return(Some(expr)) => some(expr),
        Stmt::Print(args, target) | Stmt::Printf(args, target) => {
            args.iter().for_each(&mut some);
            match target {
                Target::Standard => {}
                Target::File(name) | Target::Append(name) | Target::Command(name) => some(name),
            }
        }
        Stmt::If(condition, then, other) => {
            some(condition);
            statement(then, within, found);
            if let Some(other) = other {
                statement(other, within, found);
            }
        }
        Stmt::While(condition, body) | Stmt::Do(body, condition) => {
            some(condition);
            statement(body, within, found);
        }
        Stmt::For(first, condition, step, body) => {
            if let Some(condition) = condition {
                some(condition);
            }
            for part in [first, step].into_iter().flatten() {
                statement(part, within, found);
            }
            statement(body, within, found);
        }
        Stmt::ForIn(variable, _, body) => {
            some(variable);
            statement(body, within, found);
        }
        Stmt::Block(list) => list.iter().for_each(|stmt| statement(stmt, within, found)),
        Stmt::Delete(_, index) => index.iter().flatten().for_each(some),
        Stmt::Exit(None)
        | Stmt::Return(None)
        | Stmt::Next
        | Stmt::NextFile
        | Stmt::Break
        | Stmt::Continue => {}
    }
}

fn expression(expr: &Expr, within: Option<usize>, found: &mut Vec<Passed>) {
    if let Expr::Call(callee, args) = expr {
        for (parameter, arg) in args.iter().enumerate() {
            if let Expr::Var(variable) = arg {
                found.push(Passed { within, variable: *variable, callee: *callee, parameter });
            }
        }
    }
    let mut some = |expr: &Expr| expression(expr, within, found);
    match expr {
        Expr::Number(_) | Expr::Text(_) | Expr::Pattern(_) | Expr::Var(_) => {}
        Expr::Field(inner)
        | Expr::Group(inner)
        | Expr::Step(inner, ..)
        | Expr::Not(inner)
        | Expr::Negate(inner)
        | Expr::Plus(inner) => some(inner),
        Expr::Element(_, list)
        | Expr::List(list)
        | Expr::In(list, _)
        | Expr::Call(_, list)
        | Expr::Builtin(_, list) => list.iter().for_each(some),
        Expr::Assign(left, right)
        | Expr::Update(left, _, right)
        | Expr::And(left, right)
        | Expr::Or(left, right)
        | Expr::Arithmetic(_, left, right)
        | Expr::Relation(_, left, right)
        | Expr::Concat(left, right)
        | Expr::Matches(left, right) => {
            some(left);
            some(right);
        }
        Expr::Choose(condition, yes, no) => {
            some(condition);
            some(yes);
            some(no);
        }
        Expr::Getline(source, target) => {
            match source {
                Source::Main => {}
                Source::File(name) | Source::Command(name) => some(name),
            }
            if let Some(target) = target {
                some(target);
            }
        }
    }
}
