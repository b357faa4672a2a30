// What the scripts share: where the server is, who speaks to it, and what counts as healthy.
//
// ROOKERY_ADDRESS     host:port of a server that nobody has signed in to
// ROOKERY_INVITATION  the first administrator's invitation, good once
// ROOKERY_SMOKE       set: seconds instead of minutes
// ROOKERY_PEOPLE      how many people there are
// ROOKERY_DURATION    how long the load lasts, as `30s` or `10m`
//
// The limits of a server as it is shipped are respected: 50 anonymous calls at once from one address and 5
// a second after that, 50 calls a second of one account.
import grpc from 'k6/net/grpc';
import { Counter, Rate, Trend } from 'k6/metrics';

export const address = __ENV.ROOKERY_ADDRESS;
const smoke = Boolean(__ENV.ROOKERY_SMOKE);

// Meets the strict policy of a server as it is shipped.
export const password = 'correct Horse battery 9 staple';

// Calls, streams and commands that were refused or not answered.
export const failures = new Rate('failures');

// Promises that were broken: an event out of order, twice or not at all, a message with two places.
const broken = new Counter('broken');

// Not one, however many are kept.
export const brokenMax = 'count<1';

// Looks at something that was promised: that it holds, or the promise is broken.
export function promised(holds, what) {
  broken.add(holds ? 0 : 1);
  if (!holds) {
    console.error(`broken: ${what}`);
  }
}

// At most one in 4,000 fails, and the slowest in a hundred takes 200 ms. A smoke run may be of a debug
// build on a machine that has other things to do: there the time only shows that nothing hangs.
export const failuresMax = 'rate<=0.00025';
export const slowestMax = smoke ? 'p(99)<=2000' : 'p(99)<=200';

// A trend of times in milliseconds.
export function times(name) {
  return new Trend(name, true);
}

// A number of the environment, of a smoke run, or of a full one.
export function number(name, smokeValue, fullValue) {
  return Number(__ENV[name]) || (smoke ? smokeValue : fullValue);
}

// How long the load lasts.
export function duration() {
  return __ENV.ROOKERY_DURATION || (smoke ? '5s' : '60s');
}

// The public API, loaded from the .proto files, whose folder is named as the script that runs sees it.
export function api(folder = '../../proto') {
  const client = new grpc.Client();
  client.load(
    [folder],
    'rookery/v1/accounts.proto',
    'rookery/v1/administration.proto',
    'rookery/v1/messages.proto',
    'rookery/v1/rooms.proto',
    'rookery/v1/sessions.proto',
  );
  return client;
}

export function connect(client) {
  client.connect(address, { timeout: '10s' });
}

// What a call of this person is sent with.
export function as(person) {
  return { metadata: { authorization: `Bearer ${person.token}` }, timeout: '10s' };
}

// Makes a call and counts it. Returns the answer, or nothing if it failed.
export function call(client, method, request, params, trend) {
  const began = Date.now();
  const response = client.invoke(`rookery.v1.${method}`, request, params);
  if (trend) {
    trend.add(Date.now() - began);
  }
  const failed = response.status !== grpc.StatusOK;
  failures.add(failed);
  if (failed) {
    console.error(`${method}: ${response.status} ${JSON.stringify(response.error)}`);
    return undefined;
  }
  return response.message;
}

// As `call`, for what the script cannot go on without.
function need(client, method, request, params) {
  const answer = call(client, method, request, params);
  if (!answer) {
    throw new Error(`${method} failed, and nothing works without it`);
  }
  return answer;
}

// Registers the first administrator and `count` people, and puts all of them into one room.
export function town(client, count) {
  connect(client);
  const register = (userName, invitation) => {
    const request = { userName, password, invitation, deviceLabel: 'k6' };
    const signedIn = need(client, 'Accounts/RegisterAccount', request, { timeout: '10s' });
    return { userName, account: signedIn.account.name, token: signedIn.token };
  };
  const administrator = register('admin', __ENV.ROOKERY_INVITATION);
  const room = need(
    client,
    'Rooms/CreateRoom',
    { displayName: 'k6', requestId: uuid() },
    as(administrator),
  ).name;
  const people = [];
  for (let index = 0; index < count; index += 1) {
    const invitation = need(client, 'Administration/CreateInvitation', {}, as(administrator));
    const person = register(`person-${index}`, invitation.secret);
    need(client, 'Rooms/AddMember', { parent: room, account: person.account }, as(administrator));
    people.push(person);
  }
  client.close();
  return { room, people };
}

// A random UUID, version 4.
export function uuid() {
  return 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () =>
    Math.floor(Math.random() * 16).toString(16),
  );
}

// The person that this virtual user is.
export function self(people) {
  return people[(__VU - 1) % people.length];
}
