// Which cards are in view: for the others nothing is asked.

const told = new WeakMap(); // element -> what to call
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) told.get(target)?.(isIntersecting);
});

/** Call `tell(isSeen)` now, and whenever the element comes into view or leaves it. */
export function followSight(element, tell) {
  told.set(element, tell);
  observer.observe(element);
}

export function unfollowSight(element) {
  observer.unobserve(element);
  told.delete(element);
}
