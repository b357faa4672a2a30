// People sign in and out again, each time on a new connection: TLS, a password hash, a token that works,
// and a token that does not work any more.
//
// The rate is what one address may ask of a server as it is shipped; on Monday at nine, a company of a few
// hundred people asks for as much.
import grpc from 'k6/net/grpc';
import {
  api,
  as,
  brokenMax,
  call,
  connect,
  duration,
  failuresMax,
  number,
  password,
  promised,
  self,
  slowestMax,
  times,
  town,
} from './lib/rookery.js';

const signIns = times('sign_in_ms');
const client = api();

export const options = {
  insecureSkipTLSVerify: true,
  scenarios: {
    people: {
      executor: 'constant-arrival-rate',
      rate: number('ROOKERY_RATE', 2, 4),
      timeUnit: '1s',
      duration: duration(),
      preAllocatedVUs: 10,
    },
  },
  thresholds: { failures: [failuresMax], broken: [brokenMax], sign_in_ms: [slowestMax] },
};

export function setup() {
  return town(client, number('ROOKERY_PEOPLE', 10, 20));
}

export default function signInAndOut({ people }) {
  const person = self(people);
  connect(client);
  const request = { userName: person.userName, password, deviceLabel: 'k6' };
  const signedIn = call(client, 'Accounts/SignIn', request, { timeout: '10s' }, signIns);
  if (signedIn) {
    const again = as(signedIn);
    call(client, 'Accounts/GetAccount', { name: 'accounts/me' }, again);
    call(client, 'Accounts/SignOut', {}, again);
    const after = client.invoke('rookery.v1.Accounts/GetAccount', { name: 'accounts/me' }, again);
    promised(
      after.status === grpc.StatusUnauthenticated,
      `a token that was signed out got ${after.status}`,
    );
  }
  client.close();
}
