/* C1b - a loop over a generator, which yields from deep inside a recursion.
 *
 *     make example C1b
 *
 * A generator of Python can yield in its own body only; through calls it needs `yield from` at each level. One
 * of weft has a stack of its own, so any function that it calls may yield: here a plain recursive walk through
 * a tree gives its values in order. A loop that is left early closes its generator.
 */
#include <stdio.h>
#include <weft.h>

struct node {
    int value;
    struct node *left, *right;
};

static int walk(void *arg)
{
    const struct node *node = arg;
    if (!node)
        return 0;
    int r = walk(node->left);
    if (r == 0)
        r = weft_generator_yield(&node->value, sizeof node->value);
    return r < 0 ? r : walk(node->right);
}

int main(void)
{
    struct node one = { 1, NULL, NULL }, three = { 3, NULL, NULL }, two = { 2, &one, &three };
    struct node five = { 5, NULL, NULL }, four = { 4, &two, &five };
    weft_generator values;

    weft_generator_init(&values, walk, &four, sizeof(int));
    weft_generator_each(&values, int, v)
        printf("%d ", v);
    printf("in order\n");

    weft_generator_init(&values, walk, &four, sizeof(int));
    weft_generator_each(&values, int, v) {
        if (v > 3)
            break;
        printf("%d ", v);
    }
    printf("and no further\n");
    return weft_generator_close(&values) < 0;
}
