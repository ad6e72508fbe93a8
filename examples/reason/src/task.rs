use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Tensor};
use burn_apollo::cost::ModelCost;
use burn_apollo_lab::{Baseline, Measure, Measures, Result, RunConfig, Score, Task};

use crate::data::{Batch, LONGER, Part, VALIDATION};
use crate::model::Decoder;
use crate::options::{Config, ReasonConfig};
use crate::problem::{Maker, Row};
use crate::{picture, solve};

/// A problem that needs depth.
pub struct Reasoning {
    config: Config,
    maker: Maker,
    /// What validation looks at: [`ON_THE_WAY`] of them before the end.
    held: Vec<Row>,
    /// Rows of twice the length, where the problem has them.
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
/// Rows to show.
const SHOWN: usize = 3;
/// A length counts as solved from this share of right answers on.
const SOLVED: f64 = 0.99;

impl Reasoning {
    pub fn new(config: &Config) -> Self {
        let (problem, length) = (config.task.problem, config.task.length);
        let maker = problem.maker();
        let draw = |stream, count, length| {
            maker.rows(config.plan.seed, stream, count, length, Part::Validation)
        };
        let held = draw(VALIDATION, HELD, length);
        let longer = if problem.goes_on() { draw(LONGER, LONG, 2 * length) } else { Vec::new() };
        Self { config: config.clone(), maker, held, longer }
    }
}

/// The shares of right answers to rows of up to `length`, by the length of what they depend on.
fn by_length(model: &Decoder, rows: &[Row], length: usize, device: &Device) -> Result<Vec<f64>> {
    let found = solve::answers(model, rows, device)?;
    let mut counts = vec![(0_u32, 0_u32); length];
    for (found, answer) in found.iter().zip(rows.iter().flat_map(|row| &row.answers)) {
        let (right, asked) = &mut counts[answer.length - 1];
        *right += u32::from(*found == answer.value);
        *asked += 1;
    }
    let share = |(right, asked): &(u32, u32)| f64::from(*right) / f64::from((*asked).max(1));
    Ok(counts.iter().map(share).collect())
}

/// The longest length up to which all are solved, as a share of the longest.
fn length_solved(by_length: &[f64]) -> f64 {
    solved(by_length) as f64 / by_length.len() as f64
}

fn solved(by_length: &[f64]) -> usize {
    by_length.iter().take_while(|share| **share >= SOLVED).count()
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
        let rows = self.maker.rows(plan.seed, number, batch, task.length, Part::Training);
        Ok(Batch::new(&rows, device))
    }

    fn unit(&self) -> String {
        "nats per answer".to_owned()
    }

    fn items(&self, batch: &Batch) -> u64 {
        batch.tokens.shape().num_elements() as u64
    }

    fn cost(&self, _model: &Decoder) -> ModelCost {
        let ReasonConfig { problem, length, width, .. } = self.config.task;
        ModelCost::transformer(width, 4 * width, problem.places(length), problem.values())
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn loss(&self, model: &Decoder, batch: Batch) -> Tensor<1> {
        let logits = model.forward(batch.tokens, batch.asked);
        let device = logits.device();
        CrossEntropyLossConfig::new().init(&device).forward(logits, batch.answers)
    }

    fn validate(&self, model: &Decoder, device: &Device) -> Result<Score> {
        Score::mean(self.held[..ON_THE_WAY].chunks(ROWS).map(|rows| {
            let batch = Batch::new(rows, device);
            let answers = batch.answers.dims()[0] as f64;
            let score = Score::of(model.forward(batch.tokens, batch.asked), batch.answers)?;
            Ok((score, answers))
        }))
    }

    /// The longest length that is solved, as a share of the longest: of validation rows, and of rows twice as long.
    fn measures(&self, model: &Decoder, device: &Device) -> Result<Measures> {
        let length = self.config.task.length;
        let solved = |rows: &[Row], length: usize| {
            by_length(model, rows, length, device).map(|found| length_solved(&found))
        };
        let mut measures = Measures::from([("length_solved", solved(&self.held, length)?)]);
        if !self.longer.is_empty() {
            measures.insert("length_solved_longer", solved(&self.longer, 2 * length)?);
        }
        Ok(measures)
    }

    fn by_position(&self, model: &Decoder, device: &Device) -> Result<Vec<f64>> {
        by_length(model, &self.held, self.config.task.length, device)
    }

    fn baseline(&self, _device: &Device) -> Result<Option<Baseline>> {
        let value = (self.config.task.problem.values() as f64).ln();
        Ok(Some(Baseline { name: "guessing", measure: Measure::Loss, value }))
    }

    fn show(&self, model: &Decoder, device: &Device) -> Result<Option<String>> {
        let ReasonConfig { problem, length, .. } = self.config.task;
        let shares = self.by_position(model, device)?;
        let (solved, unit) = (solved(&shares), problem.unit());
        let mut text = format!(
            "{solved} of {length} {unit} solved: {:.0} % right and more\n{}\n",
            100.0 * SOLVED,
            picture::bars(&shares)
        );
        for row in &self.held[..SHOWN] {
            let found = solve::answers(model, std::slice::from_ref(row), device)?;
            text += &format!("\n{}", solve::shown(problem, row, &found));
        }
        Ok(Some(text))
    }
}
