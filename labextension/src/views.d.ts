/** The scripts of the kernel's live views: the extension draws with the very same. */

interface MurakkabView {
  show(sheet: unknown): void;
  said?(text: string): void;
  gone?(): void;
}

type MurakkabDraw = (
  kit: Record<string, unknown>,
  root: HTMLElement,
  act: (message: Record<string, unknown>) => void,
  place?: ParentNode
) => MurakkabView;

declare module '*/views/js/kit.js' {
  export const kit: Record<string, unknown>;
}

declare module '*/views/js/plan.js' {
  const draw: MurakkabDraw;
  export default draw;
}

declare module '*/views/js/frontier.js' {
  const draw: MurakkabDraw;
  export default draw;
}

declare module '*/views/js/run.js' {
  const draw: MurakkabDraw;
  export default draw;
}

declare module '*/views/js/results.js' {
  const draw: MurakkabDraw;
  export default draw;
}
