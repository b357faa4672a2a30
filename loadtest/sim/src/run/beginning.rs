//! The beginning of a run: everybody and everything that there is before anything goes wrong.

use anyhow::Context as _;
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use tokio::time::sleep;

use super::Run;
use crate::calls::Wire;
use crate::clients::{Clients, Ending};
use crate::history::{Ask, Done};
use crate::limits::ALONE;
use crate::names::{Device, Person, Room};
use crate::node::Node;
use crate::people::new_id;
use crate::reach::Reach;
use crate::world::KnownPerson;

/// A password that the default policy takes.
const PASSWORD: &str = "Tr4vel light, friends";

impl Run {
    /// Makes everybody and everything that there is before anything goes wrong.
    pub(super) async fn found(&self, clients: &Clients, node: &Node) -> anyhow::Result<()> {
        for number in 0..self.plan.people {
            self.enrol(node, number).await?;
        }
        let people = u32::try_from(self.plan.people)?;
        for _ in 0..self.plan.rooms {
            let owner = Person(u32::try_from(self.rng.below(self.plan.people))?);
            let device = clients.world.lock().devices_of(owner)[0];
            let display_name = format!("room {:08x}", self.rng.below(1 << 32));
            let wire = Wire::Create(v1::CreateRoomRequest {
                display_name: display_name.clone(),
                topic: String::new(),
                request_id: new_id(&self.rng).1,
            });
            let order = clients.order(owner, device, Ask::CreateRoom { display_name }, wire);
            let Ending::Done(Done::Room(view), _) = self.resolve(clients, order).await else {
                anyhow::bail!("no room in fair weather");
            };
            for whom in (0..people).map(Person) {
                if whom != owner && self.rng.below(5) > 0 {
                    self.add(clients, owner, device, view.room, whom).await?;
                }
            }
        }
        Ok(())
    }

    /// Makes a person who is signed in on so many devices.
    async fn enrol(&self, node: &Node, number: u64) -> anyhow::Result<()> {
        let accounts = &node.services.accounts;
        let register = v1::RegisterAccountRequest {
            user_name: user_name(number),
            password: PASSWORD.to_owned(),
            keep_signed_in: true,
            ..Default::default()
        };
        sleep(ALONE).await;
        let first = accounts
            .register_account(tonic::Request::new(register))
            .await?
            .into_inner();
        let name = first.account.context("no account")?.name;
        let account = cluster_rpc::name::account(&name, "account")?;
        let person = {
            let mut state = self.world.lock();
            state.people.push(KnownPerson { account });
            let person = state.names.enrol(account);
            state.add_device(person, first.token);
            person
        };
        for _ in 1..self.plan.devices {
            let is_signed_in = self.sign_in(&Reach::here(node.clone()), person).await?;
            anyhow::ensure!(is_signed_in, "the node died");
        }
        Ok(())
    }

    /// On one more device. `false`: the node died.
    pub(super) async fn sign_in(&self, reach: &Reach, person: Person) -> anyhow::Result<bool> {
        let request = v1::SignInRequest {
            user_name: user_name(person.0.into()),
            password: PASSWORD.to_owned(),
            keep_signed_in: true,
            ..Default::default()
        };
        sleep(ALONE).await;
        let accounts = reach.node.services.accounts.clone();
        let sign_in = async move {
            let request = tonic::Request::new(request);
            v1::accounts_server::Accounts::sign_in(&accounts, request).await
        };
        let Some(signed_in) = reach.run(sign_in).await else {
            return Ok(false);
        };
        let token = signed_in?.into_inner().token;
        self.world.lock().add_device(person, token);
        Ok(true)
    }

    async fn add(
        &self,
        clients: &Clients,
        owner: Person,
        device: Device,
        room: Room,
        whom: Person,
    ) -> anyhow::Result<()> {
        let role = match self.rng.below(3) {
            0 => v1::member::Role::Moderator,
            _ => v1::member::Role::Member,
        };
        let (parent, account) = {
            let state = self.world.lock();
            let account = state.account(whom).context("nobody")?;
            (
                state.rooms[&room].name.clone(),
                cluster_rpc::name::of_account(account),
            )
        };
        let wire = Wire::Add(v1::AddMemberRequest {
            parent,
            account,
            role: role.into(),
        });
        let order = clients.order(owner, device, Ask::Add { room, whom, role }, wire);
        match self.resolve(clients, order).await {
            Ending::Done(..) => Ok(()),
            Ending::Refused | Ending::GivenUp => anyhow::bail!("not added in fair weather"),
        }
    }
}

/// The name of the nth of all people.
fn user_name(number: u64) -> String {
    format!("person{number}")
}
