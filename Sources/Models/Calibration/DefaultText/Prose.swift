extension DefaultText {
    static let prose = #"""
        The ferry left at ten past six, and by then the rain had stopped. Marta stood at the rail with her collar up and watched the harbour
        grow small: the cranes first, then the row of yellow houses, then the church with its green roof, until only the lighthouse was left,
        blinking at nothing. She had meant to be sad. Instead she was hungry, and a little ashamed of it, and she went down to the cafeteria
        and bought a sandwich wrapped in so much plastic that an old man at the next table offered her his pocket knife.

        "You're the schoolteacher," he said, when she had given it back.

        "I was. Until yesterday."

        "My grandson had you for geography. He says you made them draw the island from memory, every week, the whole year."

        "Did he get better at it?"

        The old man thought about that longer than she expected. "No," he said. "But he walks everywhere now. He says he wants to see what he
        got wrong."

        She laughed, and the sadness that she had been waiting for arrived at last, all at once, so that she had to look out of the window
        until the waves had come into focus again.

        Rivers do not follow the shortest way to the sea. A stream that runs over flat land begins to bend because of very small accidents: a
        fallen tree, a stone, a bank that is softer on one side. Where it bends, the water on the outside of the curve has farther to go and
        runs faster, and faster water carries more soil away. On the inside it slows down and drops what it has carried. So the outer bank is
        eaten and the inner bank grows, and each year the bend is a little wider than the year before. In the end the neck of land between
        two bends is so narrow that a single flood breaks through it. The river takes the short cut, and the old loop is left behind as a lake
        in the shape of a sickle. Geographers have found that the length of a meandering river, measured along its course, is often about one
        and a half times the straight distance, although in some valleys it is three times as long.

        The first thing that visitors noticed about the old observatory was the smell of oil and brass. The telescope itself, eleven metres
        long, hung in the dark like a whale in a museum. It had been ordered in 1889, delivered in 1893, and used for exactly forty-one years,
        until the lights of the town had grown so bright that the assistant astronomer could read his newspaper by them at midnight. After
        that it was shown to schools. The drive clock still worked: a weight of 340 kilograms sank slowly through three storeys while the
        instrument followed the stars, and each evening somebody had to wind it up again with a crank. "Sixty turns," the guide would say,
        "and nobody leaves before it is done." Most children thought that this was the best part.

        Prices rose by 2.4 percent in the twelve months to March, slightly less than economists had expected, the statistics office said on
        Tuesday. Energy was 6.1 percent cheaper than a year before, while food cost 3.8 percent more. Rents, which make up about a fifth of
        the basket, went up by 2.0 percent. "The figures show that the worst is behind us, but not that the work is done," the head of the
        central bank told reporters. Trade unions pointed out that wages had risen by only 1.9 percent over the same period. Markets hardly
        moved: the main index closed at 15,210.33 points, 0.2 percent higher than on Monday, and the yield of ten-year bonds fell by three
        hundredths of a point to 2.51 percent.

        Dear Mr. Okonkwo,

        thank you for your letter of 14 May. I am sorry to hear that the heat pump has been making the noise again. When our technician came in
        February, he replaced the two rubber mounts under the compressor, and he noted that the third one was worn but still within limits. I
        suspect that it has now failed as well. Could you tell us whether the sound is there all the time, or only during the first minutes
        after the machine has started? If it is the latter, please leave it running; no damage will be done. We can send someone on Thursday
        between eight and twelve, or on Friday in the afternoon. The mount is covered by your warranty until the end of September, so there
        will be no charge.

        With kind regards,
        Helen Strand, Customer Service

        Why do we remember so little of our first years? It is not that small children have no memory. A child of two knows where the biscuits
        are kept and is outraged when a story is read to her in the wrong words. But hardly any adult recalls anything from before the third
        birthday, and what we do recall is often something that we were told, or saw in a photograph. One explanation is language: what was
        never put into words is hard to find again by words. Another is that the part of the brain that files away events in their place and
        time is still being built, and that the building itself wipes out what was stored there. A third, less cheerful, is that we forget
        because there was no need to remember. Nothing that happened to us then was ours to decide.

        The knife should be sharp and the onion cold. Halve it through the root, peel off the skin, and lay the flat side on the board. Now cut
        towards the root without going through it, in slices as thin as you can manage; then across, and the dice fall off by themselves. It
        is the root that holds everything together, so keep it until the end. If your eyes hurt, the knife is too blunt: it crushes cells that
        a sharp one would have passed between.

        It was said of General Amaru that he had never lost a battle, and this was true, but it was also true that he had fought only two. In
        the first his enemies did not come. In the second they came a day late, found the bridge gone and the river high, and went home again
        to see to their harvest. The general built a monument on the spot. It shows him on a horse, although he was afraid of horses, pointing
        with a sword at the opposite bank, where today there is a petrol station.

        A good bridge is a conversation between two kinds of force. Stone is strong when it is pressed and weak when it is pulled, so the Romans
        built arches, in which every stone leans on its neighbour and nothing is ever pulled. Steel is strong both ways, and a rope is strong
        only when it is pulled; a suspension bridge is an arch turned upside down. What looks like courage in a modern bridge is mostly
        bookkeeping: every kilogram has to be handed from one part to the next until it reaches the ground, and the engineer has to say where
        it is at every moment, also when the wind blows, also when a lorry brakes, also when both happen in a winter at minus thirty degrees.

        The verdict was read at four in the afternoon. The court found that the company had known of the fault in the valve since at least
        2011, that two of its own engineers had warned of it in writing, and that the warning had been filed under "miscellaneous". It did not
        find that anybody had meant harm. "There is no need to look for malice," the presiding judge said, "where there is a budget." The
        families of the eleven men who died will receive between 180,000 and 240,000 pounds each. Lawyers for the company said that it was
        considering an appeal. Outside, on the steps, a woman in a grey coat held up a photograph and did not answer any questions.

        I have never understood people who can leave a book unfinished. My brother does it all the time. He reads until he knows, he says, what
        kind of book it is, and then he lays it face down on the stairs, where it stays for months like a small tent. I, on the other hand,
        finished all nine hundred pages of a novel about a customs official in Trieste, in which nothing happens except that on page 611 the
        official buys a hat. I can still tell you the colour of the hat. Perhaps that is what the author wanted; perhaps he wrote the other 899
        pages so that somebody, one day, would care about a hat.

        Bees find their way by the sun, and they know what time it is. A bee that has discovered a field of clover flies home and dances on the
        comb, in the dark, a figure like an eight. The angle between the middle line and straight up is the angle between the field and the
        sun; the longer she waggles, the farther it is. Her sisters follow with their feelers, learn the direction, and correct it on their
        way for the fact that the sun has moved on since. On cloudy days they use the pattern of polarised light in whatever patch of blue is
        left. All of this fits into a brain of about one million nerve cells, less than a cubic millimetre.

        "Is it always like this?" asked the new doctor. It was her first night in the emergency room, and she had been on her feet for eleven
        hours. "No," said the nurse, without looking up from the form. "Sometimes it's busy."

        The philosopher asked his students whether a ship is still the same ship when every plank of it has been replaced. Most of them said yes, because
        it had never stopped sailing. Then he asked what they would say if somebody had kept the old planks and built a second ship of them. There
        was a long silence. "It depends on who has to pay the harbour fee," said a girl in the last row, and the philosopher wrote it down, because in
        thirty years of teaching it was the first answer that he had not heard before.

        Review: "The Long Afternoon" is a film in which people talk about leaving. They talk about it in kitchens, in cars, at a wedding and, in the best
        scene, on a ski lift that has stopped. Nobody leaves. The camera is patient, the actors are wonderful, above all Ines Cardoso as the aunt who
        has already packed, and yet after two hours and ten minutes I felt that I had watched the trailer of a shorter and better film. Three stars.

        Breaking: the river at Eastbridge has passed the 7.80 metre mark and is expected to rise by another 40 centimetres during the night. Residents of
        Mill Lane and Station Road have been asked to move to the sports hall, which is open and heated. Trains between Eastbridge and Wick are
        cancelled until further notice. The fire brigade asks everybody not to drive through water: thirty centimetres are enough to lift a small car.

        MERCUTIA. You swore that you would never come again.
        BALDWIN. I swore it, and I meant it, till the rain.
        MERCUTIA. So it's the rain I have to thank?
        BALDWIN. The wine.
        MERCUTIA. There is no wine.
        BALDWIN. Then it must be the rain.

        hey, are you still coming tonight? we start at 8 but the game is only at 9 so no rush :) bring chips if you pass the shop, the big bag, not the
        weird ones from last time lol. also lena asks if you still have her charger??

        He scored twice in the first half, missed a penalty in the second, and was carried off the pitch in the eighty-ninth minute by the same fans who
        had whistled at him in October. "Football has no memory," the coach said afterwards. "That is the good thing about it, and the bad thing."

        """#
}
