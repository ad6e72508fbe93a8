//! Answers by greedy decoding.

use apollo_examples::{Failure, device, finished, run_config, usage};
use burn::module::Module;
use burn::tensor::Device;
use burn_apollo_lab::Result;

use crate::data::{self, BEGIN, END, Problem, Source};
use crate::model::Seq2Seq;
use crate::options::{Config, Options};

pub fn from_run(options: &Options, letters: &str) -> Result<(), Failure> {
    let (out, device) = (&options.run.out, device::by_name(&options.run.device)?);
    let config: Config = run_config(out)?;
    let most = config.task.length;
    let fewest = data::fewest(most);
    let problem = Problem::new(data::tokens(letters).map_err(|e| usage(format!("--sort: {e}")))?);
    if !(fewest..=most).contains(&problem.letters.len()) {
        let found = problem.letters.len();
        return Err(usage(format!(
            "--sort: {found} letters; the run has learned to sort {fewest} to {most}"
        )));
    }
    let model = finished(config.task.model().init(&device), out)?;
    let answers = answers(&model.valid(), std::slice::from_ref(&problem), most, &device)?;
    println!("{}", shown(&problem, &answers[0]));
    Ok(())
}

/// The likeliest token after each prefix, from the begin to the end of every answer.
pub fn answers(
    model: &Seq2Seq,
    problems: &[Problem],
    length: usize,
    device: &Device,
) -> Result<Vec<Vec<u8>>> {
    let count = problems.len();
    let memory = model.encode(Source::new(problems, length, device));
    let mut prefixes = vec![vec![BEGIN]; count];
    for written in 1..=length + 1 {
        let rows = prefixes.iter().map(Vec::as_slice);
        let logits = model.decode(data::padded(rows, count, written, device), &memory);
        let [_, vocabulary] = logits.dims();
        let last = logits.reshape([count, written, vocabulary]).narrow(1, written - 1, 1);
        let next = last.argmax(2).try_into_data()?;
        prefixes.iter_mut().zip(next.iter::<u8>()).for_each(|(prefix, token)| prefix.push(token));
        if prefixes.iter().all(|prefix| prefix.contains(&END)) {
            break;
        }
    }
    let answer = |prefix: Vec<u8>| prefix[1..].iter().copied().take_while(|t| *t != END).collect();
    Ok(prefixes.into_iter().map(answer).collect())
}

/// A problem, the answer, and the right one where the answer is wrong.
pub fn shown(problem: &Problem, answer: &[u8]) -> String {
    let line = format!("{} → {}", data::text(&problem.letters), data::text(answer));
    match *answer == problem.answer {
        true => line,
        false => format!("{line}, not {}", data::text(&problem.answer)),
    }
}
