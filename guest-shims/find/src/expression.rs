//! The command line: starting points, then an expression.

use shim::{
    Stop,
    mode::{Changes, Dialect},
    native, number,
    regex::{Options, Regex},
    sys::{self, Time},
    time,
    users::Accounts,
};

/// A number with what is asked of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    More(u64),
    Less(u64),
    Exactly(u64),
}

impl Asked {
    pub(crate) fn holds(self, value: i64) -> bool {
        let wanted = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        match self {
            Self::More(number) => value > wanted(number),
            Self::Less(number) => value < wanted(number),
            Self::Exactly(number) => value == wanted(number),
        }
    }
}

/// How permission bits are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bits {
    Exactly(u32),
    All(u32),
    Any(u32),
}

/// A program to run on what is found.
pub(crate) struct Program {
    pub(crate) words: Vec<Vec<u8>>,
    /// In the directory of the file.
    pub(crate) in_dir: bool,
    /// With as many files as fit (`+`): which list they are collected in.
    pub(crate) batch: Option<usize>,
}

/// Which time of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Access,
    Modify,
    Change,
}

/// An expression.
pub(crate) enum Node {
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Comma(Box<Node>, Box<Node>),
    Not(Box<Node>),
    True,
    False,
    Name(Vec<u8>, bool),
    Path(Vec<u8>, bool),
    LinkName(Vec<u8>, bool),
    Regex(Regex),
    Type(Vec<u8>),
    Perm(Bits),
    Size(Asked, u64),
    Empty,
    Newer(Which, Time),
    /// A time, in units of this many seconds.
    Age(Which, Asked, i64),
    User(u32),
    Group(u32),
    NoUser,
    NoGroup,
    Links(Asked),
    Inode(Asked),
    SameFile(u64, u64),
    /// Readable 4, writable 2, executable 1.
    May(u32),
    Print(u8),
    PrintFormat(Vec<u8>),
    Delete,
    Prune,
    Quit,
    Exec(Program),
}

/// A command line, understood.
pub(crate) struct Find {
    pub(crate) starts: Vec<Vec<u8>>,
    pub(crate) node: Node,
    pub(crate) depth_first: bool,
    pub(crate) min_depth: u64,
    pub(crate) max_depth: u64,
    pub(crate) one_device: bool,
    /// Symlinks are followed: never, on the command line, always.
    pub(crate) follow_named: bool,
    pub(crate) follow_all: bool,
    pub(crate) batches: usize,
}

struct Parser<'a> {
    words: &'a [Vec<u8>],
    at: usize,
    find: Find,
    acts: bool,
    accounts: Accounts,
}

/// How deep an expression may nest.
const MAX_DEPTH: usize = 300;

fn fail(message: impl Into<String>) -> Stop {
    Stop::Fail(1, message.into())
}

pub(crate) fn parse(args: &[Vec<u8>]) -> Result<Find, Stop> {
    let mut find = Find {
        starts: Vec::new(),
        node: Node::True,
        depth_first: false,
        min_depth: 0,
        max_depth: u64::MAX,
        one_device: false,
        follow_named: false,
        follow_all: false,
        batches: 0,
    };
    let mut at = 0;
    while let Some(word) = args.get(at) {
        match word.as_slice() {
            b"-H" => (find.follow_named, find.follow_all) = (true, false),
            b"-L" => (find.follow_named, find.follow_all) = (true, true),
            b"-P" => (find.follow_named, find.follow_all) = (false, false),
            _ => break,
        }
        at += 1;
    }
    while let Some(word) = args.get(at) {
        if word.starts_with(b"-") && word.len() > 1
            || matches!(word.as_slice(), b"(" | b")" | b"!" | b",")
        {
            break;
        }
        find.starts.push(word.clone());
        at += 1;
    }
    if find.starts.is_empty() {
        find.starts.push(b".".to_vec());
    }
    let mut parser = Parser { words: args, at, find, acts: false, accounts: Accounts::read() };
    let node = if at == args.len() { Node::True } else { parser.comma(0)? };
    if parser.at < args.len() {
        return Err(fail("you have too many ')'"));
    }
    parser.find.node =
        if parser.acts { node } else { Node::And(Box::new(node), Box::new(Node::Print(b'\n'))) };
    Ok(parser.find)
}

impl Parser<'_> {
    fn peek(&self) -> Option<&[u8]> {
        self.words.get(self.at).map(Vec::as_slice)
    }

    fn takes(&mut self, words: &[&[u8]]) -> bool {
        let found = self.peek().is_some_and(|word| words.contains(&word));
        self.at += usize::from(found);
        found
    }

    fn argument(&mut self) -> Result<Vec<u8>, Stop> {
        let test = String::from_utf8_lossy(&self.words[self.at - 1]).into_owned();
        let word =
            self.words.get(self.at).ok_or_else(|| fail(format!("missing argument to `{test}'")))?;
        self.at += 1;
        Ok(word.clone())
    }

    fn comma(&mut self, depth: usize) -> Result<Node, Stop> {
        if depth > MAX_DEPTH {
            return Err(native("an expression that deep"));
        }
        let mut node = self.or(depth)?;
        while self.takes(&[b","]) {
            node = Node::Comma(Box::new(node), Box::new(self.or(depth)?));
        }
        Ok(node)
    }

    fn or(&mut self, depth: usize) -> Result<Node, Stop> {
        let mut node = self.and(depth)?;
        while self.takes(&[b"-o", b"-or"]) {
            node = Node::Or(Box::new(node), Box::new(self.and(depth)?));
        }
        Ok(node)
    }

    fn and(&mut self, depth: usize) -> Result<Node, Stop> {
        let mut node = self.not(depth)?;
        loop {
            let explicit = self.takes(&[b"-a", b"-and"]);
            let ends = matches!(self.peek(), None | Some(b")" | b"," | b"-o" | b"-or"));
            if ends && !explicit {
                return Ok(node);
            }
            node = Node::And(Box::new(node), Box::new(self.not(depth)?));
        }
    }

    fn not(&mut self, depth: usize) -> Result<Node, Stop> {
        if depth > MAX_DEPTH {
            return Err(native("an expression that deep"));
        }
        if self.takes(&[b"!", b"-not"]) {
            return Ok(Node::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.takes(&[b"("]) {
            let node = self.comma(depth + 1)?;
            if !self.takes(&[b")"]) {
                return Err(fail("I was expecting to find a ')' somewhere but did not see one."));
            }
            return Ok(node);
        }
        self.primary()
    }

    fn asked(&mut self) -> Result<(Asked, Vec<u8>), Stop> {
        let text = self.argument()?;
        let (sign, rest) = match text.split_first() {
            Some((sign @ (b'+' | b'-'), rest)) => (*sign, rest),
            _ => (b'=', text.as_slice()),
        };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let value =
            number::decimal(&rest[..digits]).ok_or_else(|| fail("invalid numeric argument"))?;
        let asked = match sign {
            b'+' => Asked::More(value),
            b'-' => Asked::Less(value),
            _ => Asked::Exactly(value),
        };
        Ok((asked, rest[digits..].to_vec()))
    }

    fn plain_asked(&mut self) -> Result<Asked, Stop> {
        match self.asked()? {
            (asked, rest) if rest.is_empty() => Ok(asked),
            _ => Err(fail("invalid numeric argument")),
        }
    }

    fn depth_argument(&mut self) -> Result<u64, Stop> {
        let text = self.argument()?;
        number::decimal(&text).ok_or_else(|| fail("expected a positive decimal integer argument"))
    }

    fn reference(&mut self) -> Result<sys::Stat, Stop> {
        let file = self.argument()?;
        sys::stat(&file).map_err(|error| {
            fail(format!("'{}': {}", String::from_utf8_lossy(&file), sys::reason(&error)))
        })
    }

    fn primary(&mut self) -> Result<Node, Stop> {
        let Some(word) = self.peek().map(<[u8]>::to_vec) else {
            return Err(fail("expected an expression"));
        };
        self.at += 1;
        Ok(match word.as_slice() {
            b"-true" => Node::True,
            b"-false" => Node::False,
            b"-depth" | b"-d" => {
                self.find.depth_first = true;
                Node::True
            }
            b"-mindepth" => {
                self.find.min_depth = self.depth_argument()?;
                Node::True
            }
            b"-maxdepth" => {
                self.find.max_depth = self.depth_argument()?;
                Node::True
            }
            b"-xdev" | b"-mount" => {
                self.find.one_device = true;
                Node::True
            }
            b"-noleaf" | b"-ignore_readdir_race" | b"-nowarn" | b"-warn" => Node::True,
            b"-follow" => {
                (self.find.follow_named, self.find.follow_all) = (true, true);
                Node::True
            }
            b"-name" | b"-iname" => Node::Name(self.argument()?, word.starts_with(b"-i")),
            b"-path" | b"-ipath" | b"-wholename" | b"-iwholename" => {
                Node::Path(self.argument()?, word.starts_with(b"-i"))
            }
            b"-lname" | b"-ilname" => Node::LinkName(self.argument()?, word.starts_with(b"-i")),
            b"-type" => {
                let letters: Vec<u8> =
                    self.argument()?.into_iter().filter(|&letter| letter != b',').collect();
                if letters.is_empty() || !letters.iter().all(|letter| b"bcdpfls".contains(letter)) {
                    return Err(fail("Unknown argument to -type"));
                }
                Node::Type(letters)
            }
            b"-perm" => Node::Perm(bits(&self.argument()?)?),
            b"-size" => {
                let (asked, unit) = self.asked()?;
                let unit = match unit.as_slice() {
                    b"" | b"b" => 512,
                    b"c" => 1,
                    b"w" => 2,
                    b"k" => 1 << 10,
                    b"M" => 1 << 20,
                    b"G" => 1 << 30,
                    _ => return Err(fail("invalid -size type")),
                };
                Node::Size(asked, unit)
            }
            b"-empty" => Node::Empty,
            b"-newer" | b"-mnewer" | b"-newermm" => {
                Node::Newer(Which::Modify, self.reference()?.mtime)
            }
            b"-anewer" => Node::Newer(Which::Access, self.reference()?.mtime),
            b"-cnewer" => Node::Newer(Which::Change, self.reference()?.mtime),
            b"-newermt" => {
                let text = self.argument()?;
                let at = time::parse(&text, sys::now()).ok_or_else(|| native("this date"))?;
                Node::Newer(Which::Modify, at)
            }
            b"-mtime" => Node::Age(Which::Modify, self.plain_asked()?, 86_400),
            b"-atime" => Node::Age(Which::Access, self.plain_asked()?, 86_400),
            b"-ctime" => Node::Age(Which::Change, self.plain_asked()?, 86_400),
            b"-mmin" => Node::Age(Which::Modify, self.plain_asked()?, 60),
            b"-amin" => Node::Age(Which::Access, self.plain_asked()?, 60),
            b"-cmin" => Node::Age(Which::Change, self.plain_asked()?, 60),
            b"-user" | b"-uid" => {
                let name = self.argument()?;
                Node::User(self.accounts.find_uid(&name).ok_or_else(|| {
                    fail(format!(
                        "'{}' is not the name of a known user",
                        String::from_utf8_lossy(&name)
                    ))
                })?)
            }
            b"-group" | b"-gid" => {
                let name = self.argument()?;
                Node::Group(self.accounts.find_gid(&name).ok_or_else(|| {
                    fail(format!(
                        "'{}' is not the name of an existing group",
                        String::from_utf8_lossy(&name)
                    ))
                })?)
            }
            b"-nouser" => Node::NoUser,
            b"-nogroup" => Node::NoGroup,
            b"-links" => Node::Links(self.plain_asked()?),
            b"-inum" => Node::Inode(self.plain_asked()?),
            b"-samefile" => {
                let stat = self.reference()?;
                Node::SameFile(stat.dev, stat.ino)
            }
            b"-readable" => Node::May(4),
            b"-writable" => Node::May(2),
            b"-executable" => Node::May(1),
            b"-regex" | b"-iregex" => {
                let pattern = self.argument()?;
                // Emacs' syntax has \| and + * ? as operators; what reads the same in ours is taken.
                if pattern.iter().any(|byte| b"+?{}".contains(byte)) {
                    return Err(native("a regular expression in Emacs' syntax"));
                }
                let options = Options {
                    ignore_case: word.starts_with(b"-i"),
                    whole_text: true,
                    ..Options::default()
                };
                Node::Regex(
                    Regex::new(&pattern, options).map_err(|error| native(error.to_string()))?,
                )
            }
            b"-print" => self.act(Node::Print(b'\n')),
            b"-print0" => self.act(Node::Print(0)),
            b"-printf" => {
                let format = self.argument()?;
                self.act(Node::PrintFormat(format))
            }
            // Not every BusyBox has it.
            b"-delete" if sys::is_busybox() => return Err(native("BusyBox's find -delete")),
            b"-delete" => {
                self.find.depth_first = true;
                self.act(Node::Delete)
            }
            b"-prune" => Node::Prune,
            b"-quit" => Node::Quit,
            b"-exec" | b"-execdir" => {
                let program = self.program(word == b"-execdir")?;
                self.act(Node::Exec(program))
            }
            _ => return Err(native(format!("find {}", String::from_utf8_lossy(&word)))),
        })
    }

    fn act(&mut self, node: Node) -> Node {
        self.acts = true;
        node
    }

    fn program(&mut self, in_dir: bool) -> Result<Program, Stop> {
        let mut words: Vec<Vec<u8>> = Vec::new();
        loop {
            let word =
                self.words.get(self.at).ok_or_else(|| fail("missing argument to `-exec'"))?.clone();
            self.at += 1;
            if word == b";" {
                break;
            }
            if word == b"+" && words.last().is_some_and(|last| last == b"{}") {
                words.pop();
                if in_dir {
                    return Err(native("-execdir with +"));
                }
                self.find.batches += 1;
                return Ok(Program { words, in_dir, batch: Some(self.find.batches - 1) });
            }
            words.push(word);
        }
        if words.is_empty() {
            return Err(fail("invalid argument `;' to `-exec'"));
        }
        Ok(Program { words, in_dir, batch: None })
    }
}

fn bits(text: &[u8]) -> Result<Bits, Stop> {
    let (kind, mode) = match text.split_first() {
        Some((kind @ (b'-' | b'/'), rest)) => (*kind, rest),
        _ => (b'=', text),
    };
    if kind == b'=' && matches!(mode, [b'+', b'0'..=b'7', ..]) {
        return Err(fail("invalid mode"));
    }
    let changes = Changes::parse(mode, Dialect::BusyBox).ok_or_else(|| fail("invalid mode"))?;
    let value = changes.apply(0, false, 0);
    Ok(match kind {
        b'-' => Bits::All(value),
        b'/' => Bits::Any(value),
        _ => Bits::Exactly(value),
    })
}
