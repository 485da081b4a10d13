//! A web server for one page, which posts a report.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Serves a folder, and the driver; where, and what is posted.
pub fn serve(folder: PathBuf) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, reports) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (folder, sender) = (folder.clone(), sender.clone());
            // A browser that goes away is no failure of the test.
            std::thread::spawn(move || answer(stream, &folder, &sender).ok());
        }
    });
    (url, reports)
}

fn answer(stream: TcpStream, folder: &Path, reports: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if method == "POST" {
        // Nobody hears it when the test is over.
        let _ = reports.send(String::from_utf8_lossy(&body).into_owned());
        return respond(stream, "204 No Content", "text/plain", &[]);
    }
    let name = path.split('?').next().unwrap_or_default().trim_start_matches('/');
    let content = match name {
        "without-webgpu.html" => std::fs::read_to_string(folder.join("index.html")).map(|page| {
            page.replace("<head>", "<head><script>delete Navigator.prototype.gpu;</script>").into()
        }),
        "driver.html" => Ok(include_bytes!("driver.html").to_vec()),
        "" => std::fs::read(folder.join("index.html")),
        name => std::fs::read(folder.join(name)),
    };
    let kind = match name.rsplit('.').next() {
        Some("html" | "") => "text/html",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("wasm") => "application/wasm",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    match content {
        Ok(content) => respond(stream, "200 OK", kind, &content),
        Err(_) => respond(stream, "404 Not Found", "text/plain", b"not here"),
    }
}

fn respond(mut stream: TcpStream, status: &str, kind: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    )?;
    stream.write_all(body)
}
