//! A report as one page with all in it.

use pulldown_cmark::{Options, Parser};

use super::part::Part;

const STYLE: &str = "body{font:15px/1.5 sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222}\
                     table{border-collapse:collapse;display:block;overflow-x:auto}\
                     td,th{padding:.2em .7em;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}\
                     td:first-child,th:first-child{text-align:left}\
                     figure{margin:1.5em 0}figcaption{max-width:60em;color:#555}svg{max-width:100%;height:auto}";

pub(super) fn page(parts: &[Part]) -> String {
    let mut body = String::new();
    for part in parts {
        match part {
            Part::Text(text) => body += &of_markdown(text),
            Part::Picture(picture) => {
                let words = of_markdown(picture.words.as_str());
                body += &format!(
                    "<figure><h3>{}</h3>{}<figcaption>{words}</figcaption></figure>\n",
                    picture.title,
                    with_view_box(&picture.svg())
                );
            }
        }
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Comparison</title>\n\
         <style>{STYLE}</style></head><body>\n{body}</body></html>\n"
    )
}

fn of_markdown(text: &str) -> String {
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(text, Options::ENABLE_TABLES));
    html
}

/// The picture, which can be made smaller as a whole: kuva says how large it is, but not what of it is to be seen.
fn with_view_box(svg: &str) -> String {
    let size = |name: &str| {
        let begin = svg.find(&format!("{name}=\""))? + name.len() + 2;
        svg[begin..].split('"').next()
    };
    match (size(" width"), size(" height")) {
        (Some(width), Some(height)) if !svg.contains("viewBox") => {
            svg.replacen("<svg ", &format!("<svg viewBox=\"0 0 {width} {height}\" "), 1)
        }
        _ => svg.to_owned(),
    }
}
