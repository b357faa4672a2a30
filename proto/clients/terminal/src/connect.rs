//! From the command line to a client: which server, whether to believe it, who signs in.
//!
//! Invariant: a token is kept only where the file belongs to its owner, and only unless told otherwise.

use std::path::Path;

use rookery_client::v1::SignInRequest;
use rookery_client::{
    Client, Code, Error, Fingerprint, KnownServers, Registration, Server, SignedIn, Token, Trust,
};

use crate::args::{ServerArgs, UserArgs};
use crate::config::{self, Files};
use crate::exit::Failure;
use crate::prompt;

/// Which server, and what is kept about it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) files: Files,
    pub(crate) server: Server,
    /// Where fingerprints are kept, unless an authority vouches.
    known: Option<KnownServers>,
    /// Given on the command line: believed, and remembered.
    pinned: Option<Fingerprint>,
}

impl Place {
    pub(crate) fn new(args: &ServerArgs) -> Result<Self, Failure> {
        let files = Files::open(args.config_dir.as_deref())?;
        let (trust, known) = match (&args.fingerprint, &args.ca_file) {
            (Some(fingerprint), _) => (
                Trust::fingerprint(*fingerprint),
                Some(files.known_servers()?),
            ),
            (None, Some(path)) if path == Path::new("system") => (Trust::system()?, None),
            (None, Some(path)) => (Trust::ca_file(path)?, None),
            (None, None) => {
                let known = files.known_servers()?;
                (Trust::known(known.clone()), Some(known))
            }
        };
        let server = Client::builder(&args.server).trust(trust).build()?;
        Ok(Self {
            files,
            server,
            known,
            pinned: args.fingerprint,
        })
    }

    /// `host:port`
    pub(crate) fn name(&self) -> &str {
        self.server.authority()
    }

    /// From here on, the server is known by this.
    pub(crate) fn believe(&self, fingerprint: Fingerprint) -> Result<(), Error> {
        match &self.known {
            Some(known) => known.remember(self.name(), fingerprint),
            None => Ok(()),
        }
    }

    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        let client = self.server.connect().await?;
        if let Some(fingerprint) = self.pinned {
            self.believe(fingerprint)?;
        }
        Ok(client)
    }

    /// As [`Place::connect`], asking on the terminal about a server that is not known.
    async fn connect_asking(&self) -> Result<Client, Failure> {
        match self.connect().await {
            Err(Error::UnknownServer {
                server,
                fingerprint,
            }) => {
                let question = format!(
                    "{server} is not known yet. Its certificate has the SHA-256 fingerprint\n  \
{fingerprint}\nIs it the one that the server printed? [y/N] "
                );
                if !prompt::confirm(&question)? {
                    return Err(Error::UnknownServer {
                        server,
                        fingerprint,
                    }
                    .into());
                }
                self.believe(fingerprint)?;
                Ok(self.connect().await?)
            }
            other => Ok(other?),
        }
    }
}

/// A client that is signed in: by a token from a file or the environment, by the one kept, or by name
/// and password.
pub(crate) async fn signed_in(place: &Place, user: &UserArgs) -> Result<Client, Failure> {
    let client = place.connect_asking().await?;
    if let Some(token) = given_token(user)? {
        return Ok(client.with_token(token)?);
    }
    if user.password_file.is_none()
        && let Some((name, token)) = place.files.token(place.name(), user.user.as_deref())?
    {
        let kept = client.with_token(token)?;
        match kept.account("accounts/me").await {
            Ok(_) => return Ok(kept),
            Err(error) if error.code() == Some(Code::Unauthenticated) => {
                place.files.forget(place.name(), &name)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let user_name = match &user.user {
        Some(name) => name.clone(),
        None => prompt::line(&format!("User name on {}: ", place.name()))?,
    };
    let request = SignInRequest {
        password: password(user, &format!("Password of {user_name}: "))?,
        user_name,
        device_label: device_label(),
        keep_signed_in: !user.forget,
    };
    let signed_in = client.sign_in(request).await?;
    keep(place, user, &signed_in)?;
    Ok(signed_in.client)
}

/// Makes an account and signs in.
pub(crate) async fn registered(
    place: &Place,
    user: &UserArgs,
    invitation: &str,
) -> Result<Client, Failure> {
    let client = place.connect_asking().await?;
    let user_name = match &user.user {
        Some(name) => name.clone(),
        None => prompt::line("New user name: ")?,
    };
    let registration = Registration {
        password: password(user, &format!("New password of {user_name}: "))?,
        user_name,
        display_name: String::new(),
        invitation: invitation.to_owned(),
        device_label: device_label(),
        keep_signed_in: !user.forget,
    };
    let signed_in = client.register(registration).await?;
    keep(place, user, &signed_in)?;
    Ok(signed_in.client)
}

fn keep(place: &Place, user: &UserArgs, signed_in: &SignedIn) -> Result<(), Failure> {
    if user.forget {
        return Ok(());
    }
    let name = &signed_in.account.user_name;
    place.files.keep(place.name(), name, &signed_in.token)
}

/// The token that the command line or the variable `ROOKERY_CLIENT_TOKEN` gives.
pub(crate) fn given_token(user: &UserArgs) -> Result<Option<Token>, Failure> {
    if let Some(path) = &user.token_file {
        return Ok(Some(Token::new(config::secret(path)?)));
    }
    let given = std::env::var("ROOKERY_CLIENT_TOKEN").ok();
    Ok(given.filter(|token| !token.is_empty()).map(Token::new))
}

fn password(user: &UserArgs, question: &str) -> Result<String, Failure> {
    match &user.password_file {
        Some(path) => config::secret(path),
        None => prompt::hidden(question),
    }
}

/// How this sign-in is called in the list of sign-ins. Names no machine: the list is kept.
pub(crate) fn device_label() -> String {
    "terminal".to_owned()
}
