//! A program as a tree.

use std::rc::Rc;

use crate::regex::Pattern;

/// A variable: of the whole program, or of the function that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Var {
    Global(usize),
    Local(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Less,
    LessEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
}

/// A function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    Atan2,
    Close,
    Cos,
    Exp,
    Fflush,
    Gsub,
    Index,
    Int,
    Length,
    Log,
    Match,
    Rand,
    Sin,
    Split,
    Sprintf,
    Sqrt,
    Srand,
    Sub,
    Substr,
    System,
    Systime,
    Tolower,
    Toupper,
}

/// Where `getline` reads from.
#[derive(Debug)]
pub(crate) enum Source {
    Main,
    File(Box<Expr>),
    Command(Box<Expr>),
}

#[derive(Debug)]
pub(crate) enum Expr {
    Number(f64),
    Text(Rc<[u8]>),
    /// Alone: whether the record matches.
    Pattern(Rc<Pattern>),
    Var(Var),
    Field(Box<Expr>),
    Element(Var, Vec<Expr>),
    /// `(a, b)` where only `print` and `in` take it.
    List(Vec<Expr>),
    /// A variable in parentheses, which cannot be assigned.
    Group(Box<Expr>),
    Assign(Box<Expr>, Box<Expr>),
    Update(Box<Expr>, Arithmetic, Box<Expr>),
    /// `++` and `--`: the target, what is added, and whether the result is the new value.
    Step(Box<Expr>, f64, bool),
    Choose(Box<Expr>, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Plus(Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    Relation(Relation, Box<Expr>, Box<Expr>),
    Concat(Box<Expr>, Box<Expr>),
    Matches(Box<Expr>, Box<Expr>),
    In(Vec<Expr>, Var),
    Call(usize, Vec<Expr>),
    Builtin(Builtin, Vec<Expr>),
    Getline(Source, Option<Box<Expr>>),
}

/// Where `print` writes to.
#[derive(Debug)]
pub(crate) enum Target {
    Standard,
    File(Expr),
    Append(Expr),
    Command(Expr),
}

#[derive(Debug)]
pub(crate) enum Stmt {
    Expr(Expr),
    Print(Vec<Expr>, Target),
    Printf(Vec<Expr>, Target),
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    While(Expr, Box<Stmt>),
    Do(Box<Stmt>, Expr),
    For(Option<Box<Stmt>>, Option<Expr>, Option<Box<Stmt>>, Box<Stmt>),
    ForIn(Expr, Var, Box<Stmt>),
    Block(Vec<Stmt>),
    Next,
    NextFile,
    Exit(Option<Expr>),
    Return(Option<Expr>),
    Break,
    Continue,
    Delete(Var, Option<Vec<Expr>>),
}

#[derive(Debug)]
pub(crate) enum Rule {
    Begin,
    End,
    Always,
    When(Expr),
    /// From one match to another; whether it is between them is kept under this number.
    Range(Expr, Expr, usize),
}

/// A function of the program.
#[derive(Debug, Default)]
pub(crate) struct Function {
    /// For each parameter whether it is an array.
    pub(crate) arrays: Vec<bool>,
    pub(crate) body: Option<Stmt>,
}

#[derive(Debug, Default)]
pub(crate) struct Program {
    /// Rules with their actions; none prints the record.
    pub(crate) rules: Vec<(Rule, Option<Stmt>)>,
    pub(crate) functions: Vec<Function>,
    /// The names of the global variables; [`crate::variables`] has the first ones.
    pub(crate) globals: Vec<Vec<u8>>,
    /// For each global whether it is an array.
    pub(crate) arrays: Vec<bool>,
    pub(crate) ranges: usize,
}
