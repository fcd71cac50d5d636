//! Sections and options to settings, with the checks of single options, of whole sections and of the whole file.

use super::keys::{self, GLOBAL, JAIL, Key, POLICY, SOURCE};
use super::problem::Likeness;
use super::uci::{Item, Items, Word};
use super::{
    CONNECTIONS, Framing, Jail, Kind, Known, MAX_BOUND, MAX_JAILS, MAX_SOURCES, MAX_VALUE, NOWHERE, Path,
    Policy, Problem,
};
use super::{Settings, Source, SourceKind, builtin, value};

const SECTIONS: [&str; 3] = ["edgeban", "source", "jail"];

/// Which section the lines belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// None yet.
    None,
    /// One that could not be read: its options are skipped.
    Skipped,
    Global,
    Source,
    Jail,
}

/// The section being read.
struct Open {
    section: Section,
    line: u32,
    /// Options seen, a bit for each row: of [`POLICY`] from bit 0, of the section's own table from bit 16.
    seen: u32,
    /// Lists already reported to have too many values, by the same bits.
    full: u32,
    /// The lines of the section's own options by row, 0 where they are not given, for the checks at its end.
    lines: [u32; 16],
    /// Whether a source's `kind` has an unknown value, so that its other options cannot be checked.
    odd: bool,
}

impl Open {
    fn new(section: Section, line: u32) -> Self {
        Self { section, line, seen: 0, full: 0, lines: [0; 16], odd: false }
    }
}

struct Reader<'r, 'k> {
    settings: &'r mut Settings,
    known: &'k [Known<'k>],
    report: &'r mut dyn FnMut(Problem<'_>),
    /// Whether there was no problem so far.
    fine: bool,
    /// Whether there was a global section.
    global: bool,
    /// Whether too many sources, and too many jails, were reported already.
    crowded: [bool; 2],
    open: Open,
    /// Names of sources, which must differ from those of jails too: libuci merges sections of one name, whatever their type.
    names: heapless::Vec<super::Name, MAX_SOURCES, u8>,
    /// The lines of the filters that sources name, in their order.
    bound: heapless::Vec<u32, { MAX_SOURCES * MAX_BOUND }, u8>,
}

type Text = heapless::String<MAX_VALUE, u8>;

impl Settings {
    /// Reads a configuration. `known` are the built-in filters. Returns whether there was no problem; if there was one, `self`
    /// is [`Settings::new`] again, so that half a configuration is never used.
    ///
    /// Each problem goes to `report`: by line, but for those that only the end of a section or of the file shows.
    pub fn read(&mut self, text: &[u8], known: &[Known<'_>], report: &mut dyn FnMut(Problem<'_>)) -> bool {
        self.reset();
        let open = Open::new(Section::None, 0);
        let (names, bound) = (heapless::Vec::new(), heapless::Vec::new());
        let mut reader = Reader {
            settings: self,
            known,
            report,
            fine: true,
            global: false,
            crowded: [false; 2],
            open,
            names,
            bound,
        };
        let mut items = Items::new(text);
        while let Some((line, item)) = items.next() {
            match item {
                Ok(item) => reader.item(line, item),
                Err(syntax) => {
                    reader.problem(line, Kind::Syntax(syntax), "", None);
                    // The options of a section whose first line cannot be read must not count for the section before it.
                    // After any other bad line the section goes on, so that the rest is still checked.
                    if items.at_section() {
                        reader.close();
                        reader.open.section = Section::Skipped;
                    }
                }
            }
        }
        reader.close();
        reader.bound();
        reader.repeated();
        let fine = reader.fine;
        if fine {
            self.complete()
        } else {
            self.clear()
        }
        fine
    }

    /// Fills in what the text left out.
    fn complete(&mut self) {
        if self.sources.is_empty() {
            builtin::sources(self);
        }
        if self.jails.is_empty() {
            builtin::jails(self);
        }
        let Self { global, jails, .. } = self;
        for jail in jails.iter_mut() {
            let defaults = builtin::filter_defaults(&jail.filter);
            for (index, key) in POLICY.iter().enumerate().filter(|(i, _)| jail.own >> i & 1 == 0) {
                keys::inherit(index, &mut jail.policy, &global.policy);
                if let Some((_, text)) = defaults.iter().find(|(name, _)| *name == key.name) {
                    keys::clear(index, &mut jail.policy);
                    let _ = (key.set)(&mut jail.policy, text);
                }
            }
        }
    }

    /// The built-in configuration: what holds without a file.
    pub fn builtin(&mut self) {
        self.reset();
        self.complete();
    }

    fn clear(&mut self) {
        // In place: assigning a whole `Settings` would take its size of stack again.
        self.sources.clear();
        self.jails.clear();
        self.builtin_sources = false;
        self.global = super::GLOBAL_DEFAULT;
    }

    fn reset(&mut self) {
        self.clear();
        self.global.state_dir = Path::try_from(super::STATE_DIR).unwrap_or_default();
        self.global.control = Path::try_from(super::CONTROL).unwrap_or_default();
    }
}

/// The row of the option `name`.
fn row<T>(table: &[Key<T>], name: &str) -> Option<usize> {
    table.iter().position(|k| k.name == name)
}

impl Reader<'_, '_> {
    fn problem(&mut self, line: u32, kind: Kind, text: &str, hint: Option<&str>) {
        self.fine = false;
        (self.report)(Problem { line, kind, option: "", text, hint });
    }

    fn item(&mut self, line: u32, item: Item<'_>) {
        match item {
            Item::Package(_) => {}
            Item::Section { kind, name } => {
                self.close();
                let section = self.section(line, kind, name);
                self.open = Open::new(section, line);
            }
            Item::Option { key, value } => self.option(line, key, value, false),
            Item::List { key, value } => self.option(line, key, value, true),
        }
    }

    /// The text that a word stands for; `what` it is called in a problem.
    fn text(&mut self, line: u32, word: Word<'_>, what: &str) -> Option<Text> {
        let mut out = Text::new();
        for c in word.chars() {
            if out.push(c).is_err() {
                self.problem(line, Kind::TooLong(MAX_VALUE), what, None);
                return None;
            }
        }
        Some(out)
    }

    fn section(&mut self, line: u32, kind: Word<'_>, name: Option<Word<'_>>) -> Section {
        let Some(kind) = self.text(line, kind, "type") else { return Section::Skipped };
        let name = match name.map(|n| self.text(line, n, "name")) {
            None => None,
            Some(Some(name)) => Some(name),
            Some(None) => return Section::Skipped,
        };
        match kind.as_str() {
            "edgeban" => {
                let name = name.as_deref().unwrap_or("global");
                if name != "global" {
                    self.problem(line, Kind::Value("'global', the only edgeban section"), name, None);
                    return Section::Skipped;
                }
                if self.global {
                    self.problem(line, Kind::Duplicate, name, None);
                }
                self.global = true;
                Section::Global
            }
            "source" => self.new_source(line, name.as_deref()),
            "jail" => self.new_jail(line, name.as_deref()),
            other => {
                let mut likeness = Likeness::of(other);
                SECTIONS.into_iter().for_each(|section| likeness.look(section));
                self.problem(line, Kind::UnknownSection, other, likeness.found());
                Section::Skipped
            }
        }
    }

    fn new_source(&mut self, line: u32, name: Option<&str>) -> Section {
        match name.map(|name| (name, value::name(name))) {
            Some((text, Err(kind))) => self.problem(line, kind, text, None),
            Some((text, Ok(name))) => {
                if self.names.contains(&name) || self.settings.jail(text).is_some() || text == "global" {
                    self.problem(line, Kind::Duplicate, text, None);
                }
                // There is room for as many as there are sources, and more are a problem of their own.
                let _ = self.names.push(name);
            }
            None => {}
        }
        let source = Source {
            line,
            enabled: true,
            kind: SourceKind::Stdin,
            listen: NOWHERE,
            path: Path::new(),
            framing: Framing::Auto,
            connections: CONNECTIONS,
            filters: heapless::Vec::new(),
        };
        if self.settings.sources.push(source).is_err() {
            if !core::mem::replace(&mut self.crowded[0], true) {
                self.problem(line, Kind::TooMany(MAX_SOURCES), "source", None);
            }
            return Section::Skipped;
        }
        Section::Source
    }

    fn new_jail(&mut self, line: u32, name: Option<&str>) -> Section {
        let text = name.unwrap_or("");
        let name = match value::name(text) {
            Ok(name) => name,
            Err(_) if text.is_empty() => {
                self.problem(line, Kind::NoName, text, None);
                return Section::Skipped;
            }
            Err(kind) => {
                self.problem(line, kind, text, None);
                return Section::Skipped;
            }
        };
        if self.settings.jail(&name).is_some() || self.names.contains(&name) || name == "global" {
            self.problem(line, Kind::Duplicate, &name, None);
            return Section::Skipped;
        }
        if matches!(name.as_str(), "manual" | "restored") {
            self.problem(line, Kind::Reserved, &name, None);
        }
        if self.settings.jails.push(Jail::empty(name, line)).is_err() {
            if !core::mem::replace(&mut self.crowded[1], true) {
                self.problem(line, Kind::TooMany(MAX_JAILS), "jail", None);
            }
            return Section::Skipped;
        }
        Section::Jail
    }

    fn option(&mut self, line: u32, key: Word<'_>, value: Word<'_>, list: bool) {
        if self.open.section == Section::Skipped {
            return;
        }
        let Some(key) = self.text(line, key, "option") else { return };
        if self.open.section == Section::None {
            return self.problem(line, Kind::OutsideSection, &key, None);
        }
        let (own, is_list) = match self.open.section {
            Section::Global => find(&GLOBAL, &key),
            Section::Source => find(&SOURCE, &key),
            _ => find(&JAIL, &key),
        };
        let policy = if self.open.section == Section::Source { None } else { row(&POLICY, &key) };
        let Some(bit) = own.map(|i| i + 16).or(policy) else { return self.unknown_option(line, &key) };
        let is_list = is_list || policy.and_then(|i| POLICY.get(i)).is_some_and(|k| k.list);
        if list && !is_list {
            return self.problem(line, Kind::NotAList, &key, None);
        }
        let first = self.open.seen >> bit & 1 == 0;
        if !first && !list {
            return self.problem(line, Kind::Twice, &key, None);
        }
        self.open.seen |= 1 << bit;
        if let Some(at) = own.and_then(|i| self.open.lines.get_mut(i)) {
            *at = line;
        }
        let Some(value) = self.text(line, value, &key) else {
            // It counts as given, so that nobody is told to give it.
            self.open.odd |= key == "kind";
            return;
        };
        if is_list && !list {
            // `option port '22 80'`: UCI reads an option as a list with blanks between the values.
            let mut values = value.split_ascii_whitespace().peekable();
            if values.peek().is_none() {
                self.set(line, &key, "", own, policy, first);
            }
            let mut first = first;
            for value in values {
                self.set(line, &key, value, own, policy, first);
                first = false;
            }
        } else {
            self.set(line, &key, &value, own, policy, first);
        }
    }

    fn set(
        &mut self,
        line: u32,
        key: &str,
        text: &str,
        own: Option<usize>,
        policy: Option<usize>,
        first: bool,
    ) {
        let Settings { global, sources, jails, .. } = &mut *self.settings;
        let done = match (self.open.section, own) {
            (Section::Global, Some(i)) => call(&GLOBAL, i, Some(global), text),
            (Section::Source, Some(i)) => call(&SOURCE, i, sources.last_mut(), text),
            (Section::Jail, Some(i)) => call(&JAIL, i, jails.last_mut(), text),
            (section, _) => {
                let target: Option<&mut Policy> = match section {
                    Section::Global => Some(&mut global.policy),
                    _ => jails.last_mut().map(|j| {
                        j.own |= policy.map_or(0, |i| 1 << i);
                        &mut j.policy
                    }),
                };
                match (policy, target) {
                    (Some(i), Some(target)) => {
                        if first {
                            keys::clear(i, target);
                        }
                        call(&POLICY, i, Some(target), text)
                    }
                    _ => Ok(()),
                }
            }
        };
        match done {
            Ok(()) if self.open.section == Section::Source && key == "filter" => {
                // There is room for as many as sources can name.
                let _ = self.bound.push(line);
            }
            Ok(()) => {}
            Err(kind @ Kind::TooMany(_)) => {
                let bit = own.map(|i| i + 16).or(policy).map_or(0, |i| 1 << i);
                if self.open.full & bit == 0 {
                    self.problem(line, kind, key, None);
                }
                self.open.full |= bit;
            }
            Err(kind @ Kind::Useless(_)) => self.problem(line, kind, key, None),
            Err(kind) => {
                self.open.odd |= key == "kind";
                self.fine = false;
                (self.report)(Problem { line, kind, option: key, text, hint: None });
            }
        }
    }

    fn unknown_option(&mut self, line: u32, key: &str) {
        let mut likeness = Likeness::of(key);
        match self.open.section {
            Section::Global => GLOBAL.iter().for_each(|k| likeness.look(k.name)),
            Section::Source => SOURCE.iter().for_each(|k| likeness.look(k.name)),
            _ => JAIL.iter().for_each(|k| likeness.look(k.name)),
        }
        if self.open.section != Section::Source {
            POLICY.iter().for_each(|k| likeness.look(k.name));
        }
        let hint = likeness.found();
        self.problem(line, Kind::UnknownOption, key, hint);
    }

    fn has(&self, own: Option<usize>) -> bool {
        own.is_some_and(|i| self.open.seen >> (i + 16) & 1 == 1)
    }

    /// The line of one of the section's own options, or of the section where it is not given.
    fn line_of(&self, own: Option<usize>) -> u32 {
        let line = own.and_then(|i| self.open.lines.get(i)).filter(|line| **line > 0);
        line.copied().unwrap_or(self.open.line)
    }

    /// Checks the section that ends here as a whole.
    fn close(&mut self) {
        match self.open.section {
            Section::Source => self.close_source(),
            Section::Jail => self.close_jail(),
            _ => {}
        }
    }

    fn close_source(&mut self) {
        let line = self.open.line;
        let has_kind = self.has(row(&SOURCE, "kind"));
        let Some(source) = self.settings.sources.last_mut() else { return };
        let kind = source.kind;
        if !has_kind || self.open.odd {
            // Its kind is not known, so it must not be compared with other sources.
            source.enabled = false;
        }
        if !has_kind {
            return self.problem(line, Kind::Missing("kind"), "source", None);
        }
        if self.open.odd {
            return;
        }
        let (needs, takes): (&str, &[&str]) = match kind {
            SourceKind::Udp => ("listen", &["listen"]),
            SourceKind::Tcp => ("listen", &["listen", "framing", "connections"]),
            SourceKind::Unix | SourceKind::File => ("path", &["path"]),
            SourceKind::Logread => ("", &["path"]),
            SourceKind::Stdin => ("", &["framing"]),
        };
        for option in ["listen", "path", "framing", "connections"] {
            let at = row(&SOURCE, option);
            let has = self.has(at);
            if option == needs && !has {
                self.problem(
                    line,
                    Kind::Missing(if needs == "path" { "path" } else { "listen" }),
                    kind.name(),
                    None,
                );
            } else if has && !takes.contains(&option) {
                self.problem(self.line_of(at), Kind::Useless(kind.name()), option, None);
            }
        }
    }

    /// Checks that the names in sources' `filter` options are those of filters that jails have, or of jails with a filter
    /// file. At the end of the file, since a jail may come after its source.
    fn bound(&mut self) {
        let (settings, known) = (&*self.settings, self.known);
        // A jail that was left out because of a problem may be the one that is meant.
        let whole = self.fine;
        let names =
            settings.sources.iter().flat_map(|s| s.filters.iter().map(move |name| (s.enabled, name)));
        for (&line, (enabled, name)) in self.bound.iter().zip(names) {
            let mut likeness = Likeness::of(name);
            // A disabled jail will do: switching a jail off must not need a second edit.
            let kind = if settings.jails.iter().any(|jail| jail.bound_by() == name)
                || settings.jails.is_empty() && builtin::JAILS.iter().any(|(_, of, on)| *on && of == name)
            {
                continue;
            } else if known.iter().any(|k| k.name == name.as_str()) {
                if !enabled || !whole {
                    continue;
                }
                Kind::Unused
            } else {
                known.iter().for_each(|k| likeness.look(k.name));
                Kind::UnknownFilter
            };
            self.fine = false;
            (self.report)(Problem { line, kind, option: "filter", text: name, hint: likeness.found() });
        }
    }

    /// Checks that no two sources are the same: a file would count twice, and an address cannot be bound twice.
    fn repeated(&mut self) {
        let sources = &*self.settings.sources;
        for (at, source) in sources.iter().enumerate().filter(|(_, source)| source.enabled) {
            let same = |other: &&Source| {
                other.enabled
                    && other.kind == source.kind
                    && other.listen == source.listen
                    && other.path == source.path
            };
            // A source that lacks what it needs was reported already.
            let whole = source.listen != NOWHERE
                || !source.path.is_empty()
                || matches!(source.kind, SourceKind::Logread | SourceKind::Stdin);
            if let Some(first) = sources.iter().take(at).find(same).filter(|_| whole) {
                self.fine = false;
                (self.report)(Problem {
                    line: source.line,
                    kind: Kind::SameSource(first.line),
                    option: "",
                    text: source.kind.name(),
                    hint: None,
                });
            }
        }
    }

    fn close_jail(&mut self) {
        let (line, known) = (self.open.line, self.known);
        let (filter_row, file_row) = (row(&JAIL, "filter"), row(&JAIL, "filter_file"));
        let (has_filter, has_file) = (self.has(filter_row), self.has(file_row));
        let filter_line = self.line_of(if has_file { file_row } else { filter_row });
        let mode_line = self.line_of(row(&JAIL, "mode"));
        let Some(jail) = self.settings.jails.last_mut() else { return };
        (jail.filter_line, jail.mode_line) = (filter_line, mode_line);
        let name = jail.name.clone();
        if has_file {
            if has_filter {
                self.problem(self.line_of(filter_row), Kind::Useless("filter_file"), "filter", None);
            }
            return;
        }
        if !has_filter {
            let named = known.iter().find(|k| k.name.bytes().map(dash).eq(name.bytes().map(dash)));
            match named.and_then(|k| super::Name::try_from(k.name).ok()) {
                Some(filter) => jail.filter = filter,
                None => return self.problem(line, Kind::Missing("filter"), &name, None),
            }
        }
        let (filter, mode) = (jail.filter.clone(), jail.mode.clone());
        if filter.is_empty() {
            return; // its value was a problem already
        }
        match known.iter().find(|k| k.name == filter.as_str()) {
            None => {
                let mut likeness = Likeness::of(&filter);
                known.iter().for_each(|k| likeness.look(k.name));
                let hint = likeness.found();
                self.problem(filter_line, Kind::UnknownFilter, &filter, hint);
            }
            Some(k) if mode != "normal" && !k.modes.contains(&mode.as_str()) => {
                let mut likeness = Likeness::of(&mode);
                k.modes.iter().for_each(|mode| likeness.look(mode));
                let hint = likeness.found();
                self.problem(mode_line, Kind::UnknownMode, &mode, hint);
            }
            Some(_) => {}
        }
    }
}

fn dash(b: u8) -> u8 {
    if b == b'_' { b'-' } else { b }
}

fn find<T>(table: &[Key<T>], name: &str) -> (Option<usize>, bool) {
    let at = row(table, name);
    (at, at.and_then(|i| table.get(i)).is_some_and(|k| k.list))
}

fn call<T>(table: &[Key<T>], row: usize, target: Option<&mut T>, text: &str) -> Result<(), Kind> {
    match (table.get(row), target) {
        (Some(key), Some(target)) => (key.set)(target, text),
        _ => Ok(()),
    }
}
