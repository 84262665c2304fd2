import { type RefObject, useEffect, useLayoutEffect, useRef } from "react";

/** This near to its end a list is at its end, and stays there by itself. */
const AT_END_PX = 2;

interface Held {
  element: Element;
  /** From the upper edge of the scroller. */
  topPx: number;
}

/**
 * What somebody reads stays where it is on screen while messages come and go before and after it, and pictures get their
 * height. For a scroller that is laid out from its end, with a list of `.message`s. Browsers do this for themselves, but
 * not all of them, and not from the end.
 */
export function useHeldPlace(scroller: RefObject<HTMLElement | null>) {
  const held = useRef<Held | null>(null);

  useLayoutEffect(() => restore(scroller.current, held.current));

  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const remember = () => {
      held.current = firstInView(box);
    };
    const onResize = new ResizeObserver(() => {
      restore(box, held.current);
      remember();
    });
    for (const list of box.children) onResize.observe(list);
    box.addEventListener("scroll", remember, { passive: true });
    return () => {
      onResize.disconnect();
      box.removeEventListener("scroll", remember);
    };
  }, [scroller]);
}

function firstInView(box: HTMLElement): Held | null {
  if (box.scrollTop > -AT_END_PX) return null;
  const edge = box.getBoundingClientRect().top;
  for (const element of box.querySelectorAll(".message")) {
    const { top, bottom } = element.getBoundingClientRect();
    if (bottom > edge) return { element, topPx: top - edge };
  }
  return null;
}

function restore(box: HTMLElement | null, held: Held | null) {
  if (!box || !held?.element.isConnected || box.scrollTop > -AT_END_PX) return;
  const movedPx = held.element.getBoundingClientRect().top - box.getBoundingClientRect().top - held.topPx;
  if (movedPx !== 0) box.scrollTop += movedPx;
}
