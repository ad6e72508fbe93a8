//! `--prepare` and `--vocabulary`: a text becomes a token file, once.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Vocabulary;
use super::header::{BYTES, MOST_TOKENS};
use super::learn::learn;
use super::tokenise::Tokenising;
use super::tokens::{TokenWriter, Tokens, checksum};
use super::vocabulary::no_tokenizer;
use crate::{Failure, regular, run_error, usage};

/// Making a token file.
#[derive(Args, Debug)]
pub struct PrepareOptions {
    /// Write the text of --data to this file as tokens and train nothing; --data takes the file afterwards
    #[arg(long, value_name = "FILE", group = "instead")]
    pub prepare: Option<PathBuf>,
    /// Tokens of a text, which are its bytes if not given: so many sub-words learned from it, or those of a tokenizer.json.
    /// Without --prepare, sub-words are written into the output folder first
    #[arg(long, value_name = "bytes|N|FILE", value_parser = choice)]
    pub vocabulary: Option<Choice>,
    /// Take a tokenizer.json that does not know half of the text
    #[arg(long)]
    pub allow_unknown: bool,
}

/// What the tokens shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    Bytes,
    Learn(usize),
    Tokenizer(PathBuf),
}

fn choice(text: &str) -> Result<Choice, String> {
    match text {
        "bytes" => Ok(Choice::Bytes),
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => match number.parse() {
            Ok(size) if (BYTES..=MOST_TOKENS).contains(&size) => Ok(Choice::Learn(size)),
            _ => Err(format!("must be from {BYTES} to {MOST_TOKENS} sub-words")),
        },
        file if Path::new(file).is_dir() => {
            Err("is a folder; name the tokenizer.json in it".to_owned())
        }
        file if Path::new(file).exists() => Ok(Choice::Tokenizer(file.into())),
        _ => {
            Err("no such file; must be bytes, a number of sub-words or a tokenizer.json".to_owned())
        }
    }
}

/// A text that is to become tokens.
pub struct Preparation<'a> {
    pub data: &'a Path,
    pub choice: &'a Choice,
    /// Tokens of a vocabulary that is learned which stand for no text.
    pub special: &'a [&'a str],
    /// Whether a tokenizer may know next to nothing of the text.
    pub allow_unknown: bool,
}

impl Preparation<'_> {
    /// The file in `dir` for these tokens: its name tells what it is made of.
    pub fn file_in(&self, dir: &Path) -> Result<PathBuf, Failure> {
        self.check()?;
        let sum = |path: &Path| {
            checksum(&[path]).map_err(|e| usage(format!("{}: cannot be read: {e}", path.display())))
        };
        let vocabulary = match self.choice {
            Choice::Bytes => "bytes".to_owned(),
            Choice::Learn(size) => {
                let special = self.special.concat().replace(|c: char| !c.is_alphanumeric(), "");
                format!("{size}{special}")
            }
            Choice::Tokenizer(file) => format!("{:08x}", sum(file)?),
        };
        Ok(dir.join(format!("tokens-{:08x}-{vocabulary}", sum(self.data)?)))
    }

    /// Whether a file of [`file_in`](Self::file_in) is complete.
    pub fn is_done(to: &Path) -> bool {
        Tokens::open(to).is_ok_and(|tokens| Vocabulary::beside(to, tokens.header()).is_ok())
    }

    /// Writes the tokens to a file that must not be there yet, or may be replaced.
    pub fn write_to(&self, to: &Path, replace: bool) -> Result<(), Failure> {
        self.check()?;
        self.check_target(to, replace)?;
        let vocabulary = match self.choice {
            Choice::Bytes => Vocabulary::Bytes,
            Choice::Tokenizer(file) => Vocabulary::read(file)?,
            Choice::Learn(size) => {
                make_folder_of(to)?;
                println!("learning {size} sub-words from {}", self.data.display());
                let learned = learn(self.data, *size, self.special)?;
                if learned.size() < *size {
                    println!("learned {}: the text has no more to learn", learned.size());
                }
                learned
            }
        };
        let file = if let Choice::Tokenizer(file) = self.choice { file } else { to };
        let mut text = Tokenising::of(self.data, &vocabulary)?;
        let mut ids = text.next(|e| no_tokenizer(file, e))?;
        // Before anything is written, where the text is not so long.
        if text.is_at_end() {
            text.lost.notice(file, self.allow_unknown)?;
        }
        let failed = |e| run_error(format!("{}: {e}", to.display()));
        make_folder_of(to)?;
        let mut writer =
            TokenWriter::create(to, vocabulary.size(), vocabulary.checksum()).map_err(failed)?;
        while let Some(some) = ids {
            writer.write(some).map_err(failed)?;
            ids = text.next(|e| no_tokenizer(file, e))?;
        }
        let notice = text.lost.notice(file, self.allow_unknown)?;
        if text.not_text > 0 {
            println!("{} bytes of the text are not UTF-8 and became U+FFFD", text.not_text);
        }
        if let Some(notice) = notice {
            println!("note: {notice}");
        }
        if let Some(path) = vocabulary.save_beside(to).map_err(failed)? {
            println!("written: {}", path.display());
        }
        let header = writer.finish(text.bytes).map_err(failed)?;
        println!(
            "written: {}: {} bytes of text as {} tokens of a vocabulary of {}",
            to.display(),
            text.bytes,
            header.tokens,
            header.vocabulary
        );
        Ok(())
    }

    /// Refuses what cannot become tokens.
    pub fn check(&self) -> Result<(), Failure> {
        let refused = |why: String| Err(usage(format!("--data {}: {why}", self.data.display())));
        if let Choice::Learn(size) = self.choice {
            let least = BYTES + self.special.len();
            if *size < least {
                return Err(usage(format!("--vocabulary {size}: must be at least {least} here")));
            }
        }
        match regular(self.data) {
            Err(e) => refused(format!("cannot be read: {e}")),
            Ok(0) => refused("is empty".to_owned()),
            Ok(_) => match Tokens::are_in(self.data) {
                Err(e) => refused(format!("cannot be read: {e}")),
                Ok(true) => refused("holds tokens already; --vocabulary is for texts".to_owned()),
                Ok(false) => Ok(()),
            },
        }
    }

    fn check_target(&self, to: &Path, replace: bool) -> Result<(), Failure> {
        let refused = |why: &str| Err(usage(format!("--prepare {}: {why}", to.display())));
        let tokenizer = Vocabulary::path_beside(to);
        if to.is_dir() {
            return refused("is a folder; name a file");
        }
        if to.exists() && self.data.canonicalize().ok() == to.canonicalize().ok() {
            return refused("is --data itself; name another file");
        }
        let is_other = |len: u64| len > 0 && !Tokens::are_in(to).unwrap_or(false);
        if replace && to.metadata().is_ok_and(|about| is_other(about.len())) {
            return refused("is no file of tokens; name another file");
        }
        if let Some(there) = [to, &tokenizer].into_iter().find(|path| !replace && path.exists()) {
            let why = "exists; replace it with --overwrite, or name another file";
            return Err(usage(format!("--prepare {}: {why}", there.display())));
        }
        Ok(())
    }
}

fn make_folder_of(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), std::fs::create_dir_all);
    made.map_err(|e| usage(format!("{}: its folder cannot be made: {e}", file.display())))
}
