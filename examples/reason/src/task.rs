use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Tensor};
use burn_apollo::cost::ModelCost;
use burn_apollo_lab::{Baseline, Measure, Measures, Result, RunConfig, Score, Task};

use crate::data::{Batch, LONGER, Part, Row, Rows, VALIDATION};
use crate::model::Decoder;
use crate::options::Config;

/// A problem that needs depth.
pub struct Reasoning {
    config: Config,
    rows: Rows,
    /// What validation looks at: [`ON_THE_WAY`] of them on the way, all at the end.
    held: Vec<Row>,
    /// Rows of twice the length.
    longer: Vec<Row>,
}

/// Validation rows.
const HELD: usize = 2048;
/// Those that a validation on the way looks at: it should cost little beside the steps between two.
const ON_THE_WAY: usize = 512;
/// Longer rows.
const LONG: usize = 512;
/// Rows of a validation batch.
const ROWS: usize = 128;
/// A place counts as solved from this share of right answers on.
const SOLVED: f64 = 0.99;

impl Reasoning {
    pub fn new(config: &Config) -> Self {
        let (rows, length) = (config.task.problem.rows(), config.task.length);
        let draw = |stream, count, length| {
            rows.draw(config.plan.seed, stream, count, length, Part::Validation)
        };
        let (held, longer) = (draw(VALIDATION, HELD, length), draw(LONGER, LONG, 2 * length));
        Self { config: config.clone(), rows, held, longer }
    }
}

/// The share of right answers at each place.
fn by_place(model: &Decoder, rows: &[Row], device: &Device) -> Result<Vec<f64>> {
    let length = rows.first().map_or(0, |row| row.answers.len());
    let mut right = vec![0_usize; length];
    for rows in rows.chunks(ROWS) {
        let found = model.forward(Batch::new(rows, device).tokens).argmax(1).try_into_data()?;
        let answers = rows.iter().flat_map(|row| &row.answers);
        for (i, (found, answer)) in found.iter::<u8>().zip(answers).enumerate() {
            right[i % length] += usize::from(found == *answer);
        }
    }
    Ok(right.iter().map(|right| *right as f64 / rows.len() as f64).collect())
}

/// The share of the places that lie before the first that is not solved.
fn length_solved(by_place: &[f64]) -> f64 {
    let solved = by_place.iter().take_while(|share| **share >= SOLVED).count();
    solved as f64 / by_place.len() as f64
}

impl Task for Reasoning {
    type Model = Decoder;
    type Batch = Batch;

    const ITEMS: &'static str = "tokens";

    fn model(&self, device: &Device) -> Result<Decoder> {
        Ok(self.config.task.model().init(device))
    }

    fn batch(&self, number: u64, device: &Device) -> Result<Batch> {
        let RunConfig { batch, ref task, ref plan, .. } = self.config;
        let rows = self.rows.draw(plan.seed, number, batch, task.length, Part::Training);
        Ok(Batch::new(&rows, device))
    }

    fn unit(&self) -> String {
        "nats per answer".to_owned()
    }

    fn items(&self, batch: &Batch) -> u64 {
        batch.answers.dims()[0] as u64
    }

    fn cost(&self, _model: &Decoder) -> ModelCost {
        let task = &self.config.task;
        ModelCost::transformer(task.width, 4 * task.width, task.length, task.problem.tokens())
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn loss(&self, model: &Decoder, batch: Batch) -> Tensor<1> {
        let logits = model.forward(batch.tokens);
        let device = logits.device();
        CrossEntropyLossConfig::new().init(&device).forward(logits, batch.answers)
    }

    fn validate(&self, model: &Decoder, device: &Device) -> Result<Score> {
        Score::mean(self.held[..ON_THE_WAY].chunks(ROWS).map(|rows| {
            let batch = Batch::new(rows, device);
            let score = Score::of(model.forward(batch.tokens), batch.answers)?;
            Ok((score, rows.len() as f64))
        }))
    }

    /// The lengths of the longest prefix that is solved, as shares: of validation rows, and of rows twice as long.
    fn measures(&self, model: &Decoder, device: &Device) -> Result<Measures> {
        let solved =
            |rows: &[Row]| by_place(model, rows, device).map(|found| length_solved(&found));
        Ok(Measures::from([
            ("length_solved", solved(&self.held)?),
            ("length_solved_longer", solved(&self.longer)?),
        ]))
    }

    fn by_position(&self, model: &Decoder, device: &Device) -> Result<Vec<f64>> {
        by_place(model, &self.held, device)
    }

    fn baseline(&self, _device: &Device) -> Result<Option<Baseline>> {
        let value = (self.config.task.problem.tokens() as f64).ln();
        Ok(Some(Baseline { name: "guessing", measure: Measure::Loss, value }))
    }

    fn show(&self, model: &Decoder, device: &Device) -> Result<Option<String>> {
        let shares = by_place(model, &self.held, device)?;
        let shares =
            (1..).zip(shares).map(|(place, share)| format!("{place}: {:.1} %", 100.0 * share));
        Ok(Some(format!("right by position: {}", shares.collect::<Vec<_>>().join(", "))))
    }
}
