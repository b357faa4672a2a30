//! What a person reads when the server has started.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// Where the server is, and what to do next.
#[derive(Debug)]
pub(crate) struct Greeting<'a> {
    /// As the program was called: what is printed can be typed.
    pub(crate) program: &'a str,
    pub(crate) address: SocketAddr,
    pub(crate) data_dir: &'a Path,
    /// The key file, if this start has made it.
    pub(crate) key_file_made: Option<&'a Path>,
    pub(crate) fingerprint: String,
    pub(crate) generated: bool,
    /// For the first administrator, while there is none.
    pub(crate) invitation: Option<String>,
}

impl fmt::Display for Greeting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            program,
            address,
            data_dir,
            fingerprint,
            generated,
            ..
        } = self;
        let server = format!("https://{address}");
        let made = if *generated { "made here" } else { "yours" };
        writeln!(f, "Rookery {} serves {server}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f)?;
        writeln!(f, "  data         {}", data_dir.display())?;
        writeln!(f, "  certificate  {made}, SHA-256 {fingerprint}")?;
        if let Some(file) = self.key_file_made {
            let file = file.display();
            writeln!(
                f,
                "  new key      {file}: keep a copy elsewhere, without it nothing here can be read"
            )?;
        }
        writeln!(f)?;
        match &self.invitation {
            Some(invitation) => {
                writeln!(
                    f,
                    "Nobody is here yet. Be the first, and its administrator: in a second terminal,"
                )?;
                writeln!(f)?;
                writeln!(
                    f,
                    "  {program} chat --server {server} --invitation {invitation}"
                )?;
                writeln!(f)?;
                writeln!(
                    f,
                    "Then ask others in, each with an invitation that is good once:"
                )?;
                writeln!(f)?;
                writeln!(f, "  {program} admin --server {server} invitations create")?;
            }
            None => {
                writeln!(f, "Chat here with")?;
                writeln!(f)?;
                writeln!(f, "  {program} chat --server {server}")?;
            }
        }
        writeln!(f)?;
        write!(f, "Ctrl-C stops the server. What was said is kept.")
    }
}
