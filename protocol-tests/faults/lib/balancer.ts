/**
 * The load balancer before the gateways, one port for each device: a device stays where it is while that gateway is
 * ready, else its next connection goes to one that is. With none ready, any is tried.
 */
import { Link } from "../../lib/link.ts";
import type { Process } from "../../lib/process.ts";

const LOOK_EVERY_MS = 250;

export class Balancer {
  private readonly ready = new Set<Process>();
  private readonly links: Link[] = [];
  private readonly looking: NodeJS.Timeout;

  constructor(private readonly gateways: readonly Process[]) {
    for (const gateway of gateways) this.ready.add(gateway);
    this.looking = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  /** A port that leads to gateway number `home` at first. */
  async open(home: number): Promise<Link> {
    let current = home % this.gateways.length;
    const link = await Link.listen(() => {
      const order = this.gateways.map((_, step) => (current + step) % this.gateways.length);
      const next = order.find((index) => this.isReady(index));
      if (next !== undefined) current = next;
      const others = order.filter((index) => index !== current);
      return [current, ...others].flatMap((index) => this.gateways[index]?.address ?? []);
    });
    this.links.push(link);
    return link;
  }

  async close(): Promise<void> {
    clearInterval(this.looking);
    await Promise.all(this.links.map((link) => link.close()));
  }

  private isReady(index: number): boolean {
    const gateway = this.gateways[index];
    return gateway !== undefined && this.ready.has(gateway);
  }

  private look(): void {
    for (const gateway of this.gateways) {
      // `isReady` answers and does not throw.
      void gateway.isReady().then((ready) => (ready ? this.ready.add(gateway) : this.ready.delete(gateway)));
    }
  }
}
