//! Event files, as TensorBoard reads them.
//!
//! A file is a row of records: the length of the data in 8 bytes, a checksum of these, the data, a checksum of them. The data
//! are an `Event` in protobuf's encoding, here a step with one number under a name. Sources: tensorflow/core/lib/io/record_writer.cc,
//! tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{LabError, Result};
use crate::observer::{Observer, Start};
use crate::results::{EVENTS, Row, ValidationRow};

/// Writes an [event file](crate::results::EVENTS).
#[derive(Debug, Default)]
pub struct TensorBoard(Option<Events>);

impl Observer for TensorBoard {
    fn start(&mut self, start: &Start<'_>) -> Result<()> {
        self.0 = Some(Events::open(start.folder, start.step, start.layers)?);
        Ok(())
    }

    fn loss(&mut self, row: &Row) -> Result<()> {
        let scalars = [
            ("train_loss", row.train_loss),
            ("lr", row.lr),
            ("virtual_depth", row.virtual_depth as f64),
            ("unique_layers", row.unique_layers as f64),
        ];
        self.0.iter_mut().try_for_each(|events| events.scalars(row.step, &scalars))
    }

    fn validation(&mut self, rows: &[ValidationRow]) -> Result<()> {
        let Some(events) = &mut self.0 else { return Ok(()) };
        rows.iter().try_for_each(|row| match row.depth == events.full {
            true => {
                let scalars = [("val_loss", row.val_loss), ("operations", row.operations)];
                events.scalars(row.step, &scalars)
            }
            false => events.scalars(row.step, &[(VAL_LOSS_UNIQUE, row.val_loss)]),
        })
    }

    fn before_checkpoint(&mut self) -> Result<()> {
        let sync = |e: &mut Events| e.file.flush().and_then(|()| e.file.get_ref().sync_data());
        self.0.iter_mut().try_for_each(sync).map_err(failed)
    }
}

/// The event file of a run.
#[derive(Debug)]
struct Events {
    file: BufWriter<File>,
    /// Layers of the full model.
    full: usize,
}

impl Events {
    /// The event file in a folder, made if it is not there and cut to what came before the optimizer step `first`: what was
    /// written after the checkpoint is written again. `full` is the full model's depth.
    fn open(folder: &Path, first: u64, full: usize) -> Result<Self> {
        let path = folder.join(EVENTS);
        Self::cut(&path, first, full).map_err(|e| LabError::file(&path, e))
    }

    fn cut(path: &Path, first: u64, full: usize) -> io::Result<Self> {
        let found = match std::fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            found => found?,
        };
        let kept = if first == 0 { 0 } else { kept(&found, first) };
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.set_len(kept as u64)?;
        file.seek(SeekFrom::End(0))?;
        let mut events = Self { file: BufWriter::new(file), full };
        if kept == 0 {
            events.record(&event(0, |event| text(event, 3, "brain.Event:2")))?;
        }
        Ok(events)
    }

    fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<()> {
        scalars.iter().try_for_each(|(name, value)| {
            let data = event(step, |event| {
                let mut scalar = Vec::new();
                text(&mut scalar, 1, name);
                scalar.push(2 << 3 | FOUR_BYTES);
                scalar.extend((*value as f32).to_le_bytes());
                let mut summary = Vec::new();
                bytes(&mut summary, 1, &scalar);
                bytes(event, 5, &summary);
            });
            self.record(&data).map_err(failed)
        })
    }

    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        self.file.write_all(&length)?;
        self.file.write_all(&checksum(&length))?;
        self.file.write_all(data)?;
        self.file.write_all(&checksum(data))
    }
}

/// The full model's loss has a name of its own.
const VAL_LOSS_UNIQUE: &str = "val_loss_at_unique_layers";
/// Protobuf's kinds of fields.
const EIGHT_BYTES: u8 = 1;
const LENGTH: u8 = 2;
const FOUR_BYTES: u8 = 5;
/// Bytes of a record beside its data, in front of them and behind.
const FRONT: usize = 12;
const BEHIND: usize = 4;

fn failed(e: io::Error) -> LabError {
    LabError::write(EVENTS, e)
}

/// CRC-32C, rotated and shifted as the format wants it.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

fn event(step: u64, what: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    let mut event = vec![1 << 3 | EIGHT_BYTES];
    event.extend(now.to_le_bytes());
    event.push(STEP);
    varint(&mut event, step);
    what(&mut event);
    event
}

/// The field of an event's step: its second, a varint.
const STEP: u8 = 2 << 3;

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn bytes(to: &mut Vec<u8>, field: u8, content: &[u8]) {
    to.push(field << 3 | LENGTH);
    varint(to, content.len() as u64);
    to.extend(content);
}

fn text(to: &mut Vec<u8>, field: u8, content: &str) {
    bytes(to, field, content.as_bytes());
}

/// The length of the whole records up to the first that came after a checkpoint before the step `first`: of that step or
/// later, and no validation at the checkpoint itself.
fn kept(file: &[u8], first: u64) -> usize {
    let mut end = 0;
    while let Some((data, next)) = record(&file[end..]) {
        let Some(step) = step(data) else { break };
        if step > first || (step == first && !is_validation(data)) {
            break;
        }
        end += next;
    }
    end
}

/// The data of the first record and its whole length; none where it is not whole.
fn record(file: &[u8]) -> Option<(&[u8], usize)> {
    let (length, sum) = (file.get(..8)?, file.get(8..FRONT)?);
    if sum != checksum(length) {
        return None;
    }
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let end = FRONT.checked_add(length)?;
    let data = file.get(FRONT..end)?;
    (file.get(end..end.checked_add(BEHIND)?)? == checksum(data)).then_some((data, end + BEHIND))
}

/// The step of an event of this file.
fn step(event: &[u8]) -> Option<u64> {
    let rest = event.get(9..)?.strip_prefix(&[STEP])?;
    let mut value = 0;
    for (i, byte) in rest.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * i as u32)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn is_validation(event: &[u8]) -> bool {
    ["val_loss", "operations"]
        .iter()
        .any(|name| event.windows(name.len()).any(|part| part == name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64) -> Row {
        let (stage, unique_layers, virtual_depth, items) = (0, 2, 3, 4);
        Row { step, stage, unique_layers, virtual_depth, lr: 0.01, train_loss: 2.5, items }
    }

    fn validation(step: u64, depth: usize) -> ValidationRow {
        let (stage, unique_layers, val_accuracy) = (0, 2, None);
        ValidationRow {
            step,
            stage,
            unique_layers,
            depth,
            val_loss: 2.0,
            val_accuracy,
            operations: 1e9,
        }
    }

    fn steps(path: &Path) -> Vec<u64> {
        let file = std::fs::read(path).unwrap();
        let (mut at, mut steps) = (0, Vec::new());
        while let Some((data, next)) = record(&file[at..]) {
            steps.push(step(data).unwrap());
            at += next;
        }
        assert_eq!(at, file.len(), "whole records");
        steps
    }

    #[test]
    fn checksums_are_the_formats() {
        // The record that every file of TensorFlow's begins with, but for its time: 24 bytes of data.
        assert_eq!(checksum(&24u64.to_le_bytes()), [0xa3, 0x7f, 0x4b, 0x22]);
    }

    fn board(folder: &Path, step: u64) -> TensorBoard {
        let mut board = TensorBoard::default();
        let start = Start { folder, step, steps: 300, stages: &[], layers: 4, items: "items" };
        board.start(&start).unwrap();
        board
    }

    #[test]
    fn what_came_after_the_checkpoint_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(EVENTS);
        let mut events = board(dir.path(), 0);
        (0..200).for_each(|step| events.loss(&row(step)).unwrap());
        events.validation(&[validation(200, 2), validation(200, 4)]).unwrap();
        events.before_checkpoint().unwrap();
        let whole = std::fs::read(&path).unwrap();
        (200..203).for_each(|step| events.loss(&row(step)).unwrap());
        events.before_checkpoint().unwrap();
        drop(events);
        assert_eq!(steps(&path).len(), 1 + 4 * 203 + 3);

        // Torn in its last record.
        let torn = std::fs::read(&path).unwrap();
        std::fs::write(&path, &torn[..torn.len() - 3]).unwrap();
        let mut events = board(dir.path(), 200);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        events.loss(&row(200)).unwrap();
        events.before_checkpoint().unwrap();
        assert_eq!(steps(&path)[1 + 4 * 200 + 3..], [200; 4]);

        // A new run; and what is no event file.
        drop(board(dir.path(), 0));
        assert_eq!(steps(&path), [0]);
        std::fs::write(&path, "no event file").unwrap();
        drop(board(dir.path(), 7));
        assert_eq!(steps(&path), [0]);
    }
}
