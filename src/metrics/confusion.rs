//! Which classes are taken for which.

use std::fmt::{self, Write};

use serde::Serialize;

use super::MetricsError;

/// Most classes whose table is printed whole; of more, each class gets a line with its scores.
const MOST_SHOWN: usize = 20;
/// Most characters of a class's name at the head of a column, and of a row.
const HEAD: usize = 12;
const ROW: usize = 30;

/// How often each class was taken for each. As JSON it is its [`Report`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Report")]
pub struct Confusion {
    /// `counts[true class][predicted class]`, a square.
    counts: Vec<Vec<u64>>,
}

/// A [`Confusion`] with everything that follows from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Images in all.
    pub total: u64,
    /// Images classified rightly.
    pub correct: u64,
    /// `correct / total`; none without images.
    pub accuracy: Option<f64>,
    /// Scores of each class.
    pub classes: Vec<ClassScore>,
    /// `confusion[true class][predicted class]`.
    pub confusion: Vec<Vec<u64>>,
}

/// Scores of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    /// The class: of digits, the digit.
    pub class: usize,
    /// What it is called, where classes have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Images that show it.
    pub count: u64,
    /// Share of the images taken for it that show it; none if none was taken for it.
    pub precision: Option<f64>,
    /// Share of the images showing it that were taken for it; none if none shows it.
    pub recall: Option<f64>,
}

impl Confusion {
    /// Nothing counted yet, of so many classes.
    pub fn new(classes: usize) -> Confusion {
        Confusion { counts: vec![vec![0; classes]; classes] }
    }

    /// Counts one image that shows the class `truth` and was taken for `predicted`.
    ///
    /// # Errors
    /// [`MetricsError::Class`] when either is none of the classes; nothing is counted then.
    pub fn add(&mut self, truth: usize, predicted: usize) -> Result<(), MetricsError> {
        for class in [truth, predicted] {
            if class >= self.counts.len() {
                return Err(MetricsError::Class { class, last: self.counts.len() - 1 });
            }
        }
        self.counts[truth][predicted] += 1;
        Ok(())
    }

    /// `counts[true class][predicted class]`.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// Images in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Images classified rightly.
    pub fn correct(&self) -> u64 {
        (0..self.counts.len()).map(|class| self.counts[class][class]).sum()
    }

    /// Share of the images classified rightly, 0 to 1; none without images.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.correct(), self.total())
    }

    /// Scores of each class, in order.
    pub fn classes(&self) -> Vec<ClassScore> {
        let score = |class: usize| {
            let count = self.counts[class].iter().sum();
            let taken = self.counts.iter().map(|row| row[class]).sum();
            let right = self.counts[class][class];
            let (precision, recall) = (ratio(right, taken), ratio(right, count));
            ClassScore { class, name: None, count, precision, recall }
        };
        (0..self.counts.len()).map(score).collect()
    }

    /// With everything that follows from it, and the classes' names, if they have any.
    pub fn report(&self, names: &[String]) -> Report {
        let mut classes = self.classes();
        classes.iter_mut().for_each(|score| score.name = names.get(score.class).cloned());
        Report {
            total: self.total(),
            correct: self.correct(),
            accuracy: self.accuracy(),
            classes,
            confusion: self.counts.clone(),
        }
    }

    /// A table of counts with the true classes down, the predicted ones across, recall (in %) at the
    /// right and precision (in %) at the foot, and the accuracy below; no newline at the end. Of more
    /// than twenty classes, each class's scores instead. Classes without a name are numbered.
    pub fn table(&self, names: &[String]) -> String {
        let mut text = match self.counts.len() {
            0..=MOST_SHOWN => self.square(names),
            _ => self.lines(names),
        };
        let (correct, total) = (self.correct(), self.total());
        text += &match self.accuracy() {
            Some(share) => format!("\naccuracy: {:.2}% ({correct} of {total})", 100.0 * share),
            None => "\naccuracy: - (no images)".to_string(),
        };
        text
    }

    fn square(&self, names: &[String]) -> String {
        let scores = self.classes();
        let heads: Vec<String> = scores.iter().map(|s| start(names, s.class, HEAD)).collect();
        // Room for the widest count, for a percentage such as "98.7", and for the names.
        let most = self.counts.iter().flatten().max();
        let width = most.map_or(0, |count| count.to_string().len()).max(4).max(widest(&heads));
        let rows: Vec<String> = scores.iter().map(|s| start(names, s.class, ROW)).collect();
        let first = widest(&rows).max(9);
        let total_width = self.total().to_string().len().max(5);
        let mut text = format!("{:>first$}", "true\\pred");
        heads.iter().for_each(|head| _ = write!(text, " {head:>width$}"));
        _ = writeln!(text, " {:>total_width$} recall", "count");
        for ((score, name), row) in scores.iter().zip(&rows).zip(&self.counts) {
            _ = write!(text, "{name:>first$}");
            row.iter().for_each(|count| _ = write!(text, " {count:>width$}"));
            let (count, recall) = (score.count, percent(score.recall));
            _ = writeln!(text, " {count:>total_width$} {recall:>6}");
        }
        _ = write!(text, "{:>first$}", "precision");
        scores.iter().for_each(|s| _ = write!(text, " {:>width$}", percent(s.precision)));
        text
    }

    fn lines(&self, names: &[String]) -> String {
        let scores = self.classes();
        let rows: Vec<String> = scores.iter().map(|s| start(names, s.class, ROW)).collect();
        let first = widest(&rows).max(5);
        let mut text = format!("{:>first$} {:>7} recall precision", "class", "count");
        for (score, name) in scores.iter().zip(&rows) {
            let (recall, precision) = (percent(score.recall), percent(score.precision));
            let count = score.count;
            _ = write!(text, "\n{name:>first$} {count:>7} {recall:>6} {precision:>9}");
        }
        text
    }
}

/// What a class is called: by its name, or its number where classes have none.
pub fn class_name(names: &[String], class: usize) -> String {
    names.get(class).map_or_else(|| class.to_string(), Clone::clone)
}

/// At most so many characters of it.
fn start(names: &[String], class: usize, most: usize) -> String {
    class_name(names, class).chars().take(most).collect()
}

fn widest(names: &[String]) -> usize {
    names.iter().map(|name| name.chars().count()).max().unwrap_or(0)
}

impl From<Vec<Vec<u64>>> for Confusion {
    /// From `counts[true class][predicted class]`, which must be a square.
    fn from(counts: Vec<Vec<u64>>) -> Confusion {
        Confusion { counts }
    }
}

impl From<Confusion> for Report {
    fn from(confusion: Confusion) -> Report {
        confusion.report(&[])
    }
}

/// The [table](Confusion::table) of classes without names.
impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table(&[]))
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// One decimal, four characters at most.
fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".into(),
        Some(1.0) => "100".into(),
        // Cut rather than rounded, so that "100" means every one.
        Some(share) => format!("{:.1}", (1000.0 * share).floor() / 10.0),
    }
}
