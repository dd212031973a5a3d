// Nothing that appears by itself moves a control: the user may be about to click on it.
//
// - What would move one waits while a button of the mouse is down.
// - Where something has moved under a mouse that stands still, its next click is not taken at once.

const STEADY = 300; // milliseconds for which a mouse that stands still may mean what stood under it before

export class Steadiness {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.pressed = false;
    this.movedAt = -Infinity;
    /** @type {(() => void)[]} */
    this.held = [];
    root.addEventListener("pointerdown", () => this.press());
    root.addEventListener("pointermove", () => {
      this.movedAt = -Infinity;
    });
    root.addEventListener("click", (event) => this.misses(event), true);
  }

  /**
   * Does something that may move controls, now or when the button of the mouse is up.
   *
   * @param {() => void} act
   */
  move(act) {
    const moving = () => {
      const height = this.root.offsetHeight;
      act();
      if (this.root.offsetHeight !== height) this.movedAt = performance.now();
    };
    if (this.pressed) this.held.push(moving);
    else moving();
  }

  press() {
    this.pressed = true;
    const released = () => {
      window.removeEventListener("pointerup", released, true);
      window.removeEventListener("pointercancel", released, true);
      setTimeout(() => {
        this.pressed = false;
        for (const moving of this.held.splice(0)) moving();
      });
    };
    window.addEventListener("pointerup", released, true);
    window.addEventListener("pointercancel", released, true);
  }

  /** @param {MouseEvent} event */
  misses(event) {
    if (!event.isTrusted || !event.detail || performance.now() - this.movedAt > STEADY) return; // keys never miss
    event.preventDefault();
    event.stopPropagation();
  }
}
