// A session with a misbehaving peer, gone when the test is.
import { onTestFinished } from "vitest";
import { QmpClient, type QmpConnectOptions } from "../client.ts";
import { type FakePeer, type PeerLink, startFakePeer } from "./fake-peer.ts";

type Script = (link: PeerLink) => Promise<void> | void;

/** A peer that follows `script` from the first moment. */
export async function peerWith(script: Script): Promise<FakePeer> {
  const peer = await startFakePeer(script);
  onTestFinished(peer.stop);
  return peer;
}

/** A session with a peer that behaves until it is negotiated, then follows `script`. */
export async function sessionWith(
  script: Script,
  options: QmpConnectOptions = {},
): Promise<QmpClient> {
  const peer = await peerWith(async (link) => {
    await link.open();
    await script(link);
  });
  const client = await QmpClient.connect(peer.address, options);
  onTestFinished(() => {
    client.close();
  });
  return client;
}
