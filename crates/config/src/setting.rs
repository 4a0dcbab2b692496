//! How a setting is declared: once, and everything else follows from it.

use crate::value::Shape;

/// One line of the table of settings.
///
/// Parsing, names of environment variables, the example file, the documentation and `config show` all read it.
#[derive(Debug)]
pub struct Setting {
    /// The section, as in `[server]`.
    pub section: &'static str,
    /// The name within the section.
    pub name: &'static str,
    /// Both, as in `server.bind`.
    pub key: &'static str,
    /// The doc comment of the field; one line for each of its lines.
    pub doc: &'static str,
    /// What is known about its value.
    pub rule: Rule,
    /// How its value is written.
    pub shape: Shape,
    /// Whether an environment variable that is set to nothing says something.
    pub(crate) blank_counts: bool,
    /// What a value has to look like, without the bounds.
    pub(crate) expected: fn() -> String,
}

/// What the declaration of a setting says about its value.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The value when nobody sets it; nothing if the setting may be absent.
    pub default: Option<&'static str>,
    /// For the documentation of a setting that has no default.
    pub example: &'static str,
    /// The names of environment variables that other programs use for it too.
    pub names: &'static [&'static str],
    /// The least and the greatest value, both allowed.
    pub bounds: Option<(&'static str, &'static str)>,
}

/// The setting has `value` unless somebody says otherwise.
pub(crate) const fn default(value: &'static str) -> Rule {
    Rule { default: Some(value), example: value, names: &[], bounds: None }
}

/// The setting may be absent; `example` is for the documentation.
pub(crate) const fn unset(example: &'static str) -> Rule {
    Rule { default: None, example, names: &[], bounds: None }
}

impl Rule {
    /// Adds the well-known names of environment variables.
    pub(crate) const fn named(self, names: &'static [&'static str]) -> Self {
        Self { names, ..self }
    }

    /// Adds the least and the greatest value.
    pub(crate) const fn within(self, least: &'static str, most: &'static str) -> Self {
        Self { bounds: Some((least, most)), ..self }
    }
}

impl Setting {
    /// The environment variable that is named after the key, as `HANSARD__SERVER__BIND`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}__{}", self.section.to_uppercase(), self.name.to_uppercase())
    }

    /// Whether the value must not be shown.
    pub fn is_secret(&self) -> bool {
        self.shape == Shape::Secret
    }

    /// What a value has to be, for a person who gave another one.
    pub(crate) fn expectation(&self) -> String {
        let expected = (self.expected)();
        match self.rule.bounds {
            None => format!("expected {expected}"),
            Some((least, most)) => format!("expected {expected}, from {least} to {most}"),
        }
    }
}

/// What the names of Hansard's own environment variables begin with.
pub(crate) const PREFIX: &str = "HANSARD__";

/// What the name of a secret ends in when it holds the path of a file with the secret.
pub(crate) const FILE_SUFFIX: &str = "_file";

/// Declares a section: the struct that the program reads, and the lines of the table that people read.
///
/// Each field has a [`Rule`] where other structs have nothing.
macro_rules! section {
    (
        $(#[doc = $section_doc:literal])+
        $vis:vis struct $section:ident: $section_name:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $kind:ty = $rule:expr,
            )+
        }
    ) => {
        $(#[doc = $section_doc])+
        #[derive(Debug, Clone)]
        $vis struct $section {
            $(
                $(#[doc = $doc])+
                pub $field: $kind,
            )+
        }

        impl $section {
            /// What the section is about, and its settings.
            pub(crate) const TABLE: crate::setting::Section = crate::setting::Section {
                name: $section_name,
                doc: concat!($($section_doc, "\n"),+),
                settings: &[$(
                    crate::setting::Setting {
                        section: $section_name,
                        name: stringify!($field),
                        key: concat!($section_name, ".", stringify!($field)),
                        doc: concat!($($doc, "\n"),+),
                        rule: $rule,
                        shape: <$kind as crate::value::Value>::SHAPE,
                        blank_counts: <$kind as crate::value::Value>::BLANK_COUNTS,
                        expected: <$kind as crate::value::Value>::expected,
                    },
                )+],
            };

            /// Takes the values of the section. What cannot be used becomes a problem, and the default stands in.
            pub(crate) fn read(reader: &mut crate::reader::Reader) -> Self {
                Self {
                    $($field: reader.read(concat!($section_name, ".", stringify!($field))),)+
                }
            }
        }
    };
}
pub(crate) use section;

/// The settings that belong together.
#[derive(Debug)]
pub struct Section {
    /// The name, as in `[server]`.
    pub name: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// Its settings in the order of the documentation.
    pub settings: &'static [Setting],
}
